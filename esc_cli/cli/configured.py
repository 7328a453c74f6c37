"""Commands whose options may also stand in a file: --config, --print-config."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperCommand

from esc_cli.cli.config_file import Asked, Setting, settings_for
from esc_cli.errors import UsageError

PANEL = "Settings"
_CONFIG, _PRINT = "config_file", "print_config"


class ConfiguredCommand(TyperCommand):
    """A command that takes what its options do not say from esc.toml."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        """As every command, with two options more."""
        super().__init__(*arguments, **settings)
        self.params.extend(_options())

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the files before the options, which count more."""
        found = {} if ctx.resilient_parsing else self._settings(ctx, args)
        ctx.meta[__name__] = found
        several = {param.name for param in self.params if getattr(param, "multiple", False)}
        ctx.default_map = {
            name: [one.value] if name in several and isinstance(one.value, str) else one.value
            for name, one in found.items()
        }
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            _refuse_setting(ctx, error)
            raise

    def _settings(self, ctx: Any, args: list[str]) -> dict[str, Setting]:
        """What files say, for the arguments as the parser sees them; nothing for --help."""
        values, _, order = self.make_parser(ctx).parse_args(list(args))
        if any(str(param.name) == "help" for param in order):
            return {}
        arguments = [p.name for p in self.params if p.param_type_name == "argument"]
        first = values.get(arguments[0]) if arguments else None
        if isinstance(first, (list, tuple)):
            first = first[0] if first else None
        asked = Asked(_path(ctx), self.names(), frozenset(_commands(ctx.find_root().command)))
        return settings_for(asked, first, values.get(_CONFIG))

    def invoke(self, ctx: Any) -> Any:
        """Run the command, or show its values."""
        # The command's function does not know the two.
        del ctx.params[_CONFIG]
        if ctx.params.pop(_PRINT):
            print_values(ctx, self.names())
            raise typer.Exit
        return super().invoke(ctx)

    def names(self) -> dict[str, str]:
        """The parameter by the names of its option."""
        return {
            spelling.lstrip("-"): str(param.name)
            for param in self.params
            if param.param_type_name == "option" and param.name not in (_CONFIG, _PRINT)
            for spelling in param.opts
            if spelling.startswith("--") and spelling != "--help"
        }


def _options() -> list[Any]:
    """The two options, made anew for each command."""
    pair = typer.Typer(add_completion=False)

    @pair.command()
    def _pair(
        config_file: Annotated[
            str | None,
            typer.Option(
                "--config",
                rich_help_panel=PANEL,
                metavar="FILE",
                help="Take options from this file instead of esc.toml; none: from no file.",
            ),
        ] = None,
        print_config: Annotated[
            bool,
            typer.Option(
                "--print-config",
                rich_help_panel=PANEL,
                help="Show each value and where it comes from, and do nothing.",
            ),
        ] = False,
    ) -> None: ...

    command: Any = typer.main.get_command(pair)
    return [param for param in command.params if param.name in (_CONFIG, _PRINT)]


def _path(ctx: Any) -> str:
    """The words of a command after esc: "weights pull"."""
    words = []
    while ctx.parent is not None:
        words.append(str(ctx.info_name))
        ctx = ctx.parent
    return " ".join(reversed(words))


def _commands(group: Any, above: str = "") -> Iterator[str]:
    """All commands below one, and those above others: "weights", "weights pull"."""
    for name, command in getattr(group, "commands", {}).items():
        yield f"{above}{name}"
        yield from _commands(command, f"{above}{name} ")


def _refuse_setting(ctx: Any, error: typer.BadParameter) -> None:
    """Say which file has a value that its option refuses, if one has."""
    name = str(getattr(error.param, "name", ""))
    source = ctx.get_parameter_source(name)
    if source is None or source.name != "DEFAULT_MAP":
        return
    one: Setting = ctx.meta[__name__][name]
    option = next(key for key, parameter in ctx.command.names().items() if parameter == name)
    what = f"[{_path(ctx)}] {option} = {one.value!r}: {error.message}"
    raise UsageError(what, one.file) from error


def print_values(ctx: Any, names: Mapping[str, str]) -> None:
    """A line for each option: its value, and where that comes from."""
    from esc_cli.cli.console import print_result
    from esc_cli.errors import shown

    found: dict[str, Setting] = ctx.meta[__name__]
    for option, parameter in sorted(names.items()):
        source = ctx.get_parameter_source(parameter)
        kind = "" if source is None else source.name
        if kind == "DEFAULT_MAP":
            where = f"from {shown(found[parameter].file)}"
        else:
            where = "given" if kind == "COMMANDLINE" else "default"
        print_result(f"{option} = {ctx.params.get(parameter)!r}  ({where})")
