# SPDX-License-Identifier: Apache-2.0
"""The command `afterword`: start the service, and look after it."""

from importlib import import_module
from importlib.metadata import version as distribution_version
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup
from typer.main import get_group

from app.cli.terminal import errors_as_sentences, out
from app.core.garbage_collection import collector_paused

# The module of each command. Only the module of the command that is run is loaded.
_MODULES = {
    "app.cli.service_commands": ("up", "serve", "worker"),
    "app.cli.upkeep_commands": ("migrate", "key", "rollups", "jobs", "mail-test"),
    "app.cli.import_commands": ("import", "import-tickets", "import-customers"),
    "app.cli.data_commands": ("bi-role", "backup", "restore", "move", "resume", "doctor"),
}
_MODULE_OF = {command: module for module, names in _MODULES.items() for command in names}


class _LazyGroup(TyperGroup):
    """A group of commands, each loaded when it is asked for."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        # The names are enough for lists and suggestions.
        self.commands = cast("dict[str, Any]", dict.fromkeys(_MODULE_OF))

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002 - typer's interface
        if cmd_name not in _MODULE_OF:
            return None
        with collector_paused():
            module = import_module(_MODULE_OF[cmd_name])
        return get_group(module.commands).commands[cmd_name]


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Afterword asks customers for a word and serves exact customer-experience figures.",
)


def _show_version(requested: bool) -> None:
    if requested:
        out.print(distribution_version("afterword"), markup=False)
        raise typer.Exit


@app.callback()
def _global_options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Say the version."),
    ] = False,
) -> None:
    """Nothing is common to all commands but these options."""


def main() -> None:
    """Run the command line."""
    with errors_as_sentences():
        app()


if __name__ == "__main__":
    main()
