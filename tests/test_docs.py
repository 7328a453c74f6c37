"""The documents say what is true."""

import re
from dataclasses import fields
from pathlib import Path

import esc_cli
from esc_cli import errors

ROOT = Path(__file__).parent.parent


def python_blocks(path):
    return re.findall(r"```python\n(.*?)```", path.read_text(encoding="utf-8"), re.DOTALL)


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
