"""Starting the command costs little."""

import os
import resource
import statistics
import subprocess
import sys

import pytest
from PIL import Image


def run(*arguments):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, cpu_s


def test_help_takes_little_more_than_its_libraries():
    """Half a second where importing them takes 0.3 s, however quick and busy the machine is."""
    libraries = "import typer.rich_utils, pydantic.type_adapter, rich.markdown, rich.table"
    words = (("-c", libraries), ("-m", "esc_cli", "--help"))
    runs = [[run(sys.executable, *some)[1] for some in words] for _ in range(7)]
    theirs, ours = map(statistics.median, zip(*runs, strict=True))
    assert ours < 1.7 * theirs, runs


@pytest.mark.parametrize("module", ["torch", "pyiqa", "numpy", "PIL"])
def test_help_does_not_import(module):
    program = (
        "import sys\nsys.argv = ['esc', 'upscale', '--help']\n"
        "from esc_cli.cli.app import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print('found', {module!r} in sys.modules)"
    )
    assert run(sys.executable, "-c", program)[0].rstrip().endswith("found False")


def test_version_is_that_of_the_package():
    import esc_cli

    assert run(sys.executable, "-m", "esc_cli", "--version")[0] == f"esc {esc_cli.__version__}\n"


FIRST_PICTURE = """
import sys, time
import torch
start = time.process_time()
from esc_cli.tasks.upscale.options import Target, UpscaleOptions
from esc_cli.tasks.stop import Stop
from esc_cli.tasks.upscale.run import upscale
options = UpscaleOptions((sys.argv[1],), output=sys.argv[2], target=Target(scale=4))
done = [event for event in upscale(options, Stop()) if getattr(event, "status", "") == "done"]
assert len(done) == 1
print(time.process_time() - start)
"""


@pytest.mark.slow
def test_the_first_picture_comes_soon_after_torch(tmp_path):
    Image.effect_noise((80, 60), 50).convert("RGB").save(tmp_path / "a.png")
    paths = str(tmp_path / "a.png"), str(tmp_path / "out")
    seconds = float(run(sys.executable, "-c", FIRST_PICTURE, *paths)[0])
    assert seconds < 1.5  # of CPU: the clock would measure what else the machine does


def test_nothing_is_looked_through_at_the_end():
    """With torch there are a million objects: half a second."""
    program = (
        "import atexit, gc, sys\nsys.argv = ['esc', '--version']\n"
        "atexit.register(lambda: print('frozen', gc.get_freeze_count() > 0))\n"
        "from esc_cli.cli.app import main\nmain()"
    )
    assert run(sys.executable, "-c", program)[0].rstrip().endswith("frozen True")
