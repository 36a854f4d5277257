"""A command of a third party."""

from __future__ import annotations

import typer

from gi_plugin.hooks.spec import hookimpl


@hookimpl
def register_commands(cli: typer.Typer) -> None:
    """Add the command."""

    @cli.command()
    def greet(name: str) -> None:
        """Greet somebody."""
        print(f"hello {name}")
