"""The documents say what is true."""

import re
from dataclasses import fields
from pathlib import Path

import esc_cli
from esc_cli import errors
from esc_cli.model.config import VARIANTS
from esc_cli.model.families import FAMILIES

ROOT = Path(__file__).parent.parent


def python_blocks(path):
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


def page_of(path):
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_python_examples_run():
    for page in ("docs/python.md", "README.md"):
        blocks = python_blocks(ROOT / page)
        assert blocks
        for block in blocks:
            exec(compile(block, page, "exec"), {})


def test_every_exported_name_exists():
    for name in esc_cli.__all__:
        assert getattr(esc_cli, name) is not None


def test_every_field_of_the_options_is_on_the_page_of_the_python_api():
    page = (ROOT / "docs/python.md").read_text(encoding="utf-8")
    for kind in (
        esc_cli.UpscaleOptions,
        esc_cli.VideoOptions,
        esc_cli.Target,
        esc_cli.EngineOptions,
    ):
        (row,) = re.findall(rf"^\| `{kind.__name__}` \|.*$", page, re.MULTILINE)
        for one in fields(kind):
            assert f"`{one.name}`" in row, (kind.__name__, one.name)


def test_the_pages_name_every_network():
    (built,) = re.findall(r"Variants: (.*?)\.", page_of("docs/python.md"), re.DOTALL)
    assert set(re.findall(r"[\w-]+", built)) == set(VARIANTS)
    (able,) = re.findall(r"^(esc, .*) can be exported", page_of("docs/export.md"), re.MULTILINE)
    exported = {v for v, one in VARIANTS.items() if not FAMILIES[one.family].not_exportable}
    assert set(re.findall(r"esc[\w-]*", able)) == exported


def test_what_the_guides_and_the_architecture_name_is_there():
    rooms = ("esc_cli", "tests", "docs", "weights", ".ci")
    found = [*ROOT.glob("*"), *(path for room in rooms for path in (ROOT / room).rglob("*"))]
    files = ["/" + path.relative_to(ROOT).as_posix() for path in found]
    for page in ("CONTRIBUTING.md", "docs/architecture.md"):
        prose = re.sub(r"```.*?```", "", page_of(page), flags=re.DOTALL)
        for named in re.findall(r"`([\w./]+)`", prose):
            if any(path.endswith(f"/{named.rstrip('/')}") for path in files):
                continue
            module, _, name = named.rpartition(".")
            assert "/" not in named, (page, named)
            homes = [f for f in files if module and f.endswith(f"/{module.replace('.', '/')}.py")]
            assert not module or any(name in page_of(home[1:]) for home in homes), (page, named)


def test_the_error_tree_in_the_docstring_is_the_one_in_the_code():
    classes = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.EscError)
    }
    drawn = set(re.findall(r"[|`]-- (\w+)|^ {4}(EscError)", errors.__doc__, re.MULTILINE))
    assert {first or second for first, second in drawn} == classes


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_the_readme_commands_for_ci_are_single_lines():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for name in ("upscale", "test"):
        (command,) = re.findall(rf"<!-- {name} -->\n```sh\n(.*)\n```", text)
        assert command.startswith("python3 -m venv .venv && ")
