"""Starting the command costs little."""

import os
import resource
import subprocess
import sys

import pytest


def run(*arguments):
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(arguments, capture_output=True, text=True, check=True, env=os.environ)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return done.stdout, cpu_s


def test_help_takes_less_than_half_a_second_of_cpu_time():
    run(sys.executable, "-m", "esc_cli", "--help")  # compiles the bytecode
    fastest = min(run(sys.executable, "-m", "esc_cli", "--help")[1] for _ in range(3))
    assert fastest < 0.5


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
