"""The command line: every command works on the embedded default.

Exit codes: 0 done, 1 some inputs failed (they are named), 2 bad usage or input.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from ..config import config_source, load_config
from ..errors import GiError
from . import bench, engines, hosts, inpaint, training
from .terminal import AsJson, Backend, ConfigFile, Spinner, print_json, say, show

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fill the holes of pictures with a contextual-attention network.",
)
app.add_typer(engines.engines_app, name="engines")
for command in (*inpaint.COMMANDS, *engines.COMMANDS, *bench.COMMANDS, *training.COMMANDS, *hosts.COMMANDS):
    app.command()(command)
UsageError: Any = typer.BadParameter.__base__  # typer has carried this class of click's under several module names


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the picture goes.")] = Path("out/demo.png"),
    config: ConfigFile = None,
    backend: Backend = None,
) -> None:
    """Fill a packaged photo: input, mask, result and attention map side by side."""
    from ..demo import write_demo  # noqa: PLC0415  # heavy

    with Spinner("filling the photo"):
        write_demo(_inpainter(config, backend), output)
    say(f"wrote {output}")


@app.command()
def doctor(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Say what is installed, what is missing, and why each backend was or was not chosen."""
    from .diagnosis import examine  # noqa: PLC0415  # heavy

    findings = examine(load_config(config), config_source(config))
    if as_json:
        print_json(findings)
        return
    table = Table("what", Column("found", overflow="fold"))
    for key, value in findings.items():
        table.add_row(key, _readable(value))
    show(table)


@app.command()
def plugins() -> None:
    """List the plugins that a host finds here, as JSON."""
    from gi_plugin.hooks.listing import list_plugins  # noqa: PLC0415

    print_json(list_plugins())


def main() -> None:
    """Run the command line; wrong usage and our own errors are one line and exit code 2."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what it says of damaged files is told as an error
    try:
        sys.exit(app(standalone_mode=False))
    except UsageError as error:
        if error.format_message():  # empty: the help was printed
            say(f"error: {error.format_message()} (see: {error.ctx.command_path if error.ctx else 'gi-plugin'} --help)", "red")
    except (GiError, OSError) as error:
        say(f"error: {error}", "red")
    sys.exit(2)


def _inpainter(config: Path | None, backend: str | None) -> Any:
    from ..inpainter import Inpainter  # noqa: PLC0415  # heavy

    return Inpainter(load_config(config, backend))


def _readable(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{key}: {entry}" for key, entry in value.items())
    if isinstance(value, list):
        return "\n".join(f"{entry['name']}: {'available' if entry['available'] else 'not available'}: {entry['reason']}" for entry in value)
    return str(value)
