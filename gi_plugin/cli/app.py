"""The command-line application: it registers every command and turns errors into one line and an exit code.

Exit codes: 0 success, 1 some inputs failed (each is named), 2 wrong usage or input.
"""

from __future__ import annotations

import logging
import sys
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Column, Table

from ..config import config_source, load_config
from ..errors import GiError
from . import bench, engines, evaluation, hosts, inpaint, rented, training
from .terminal import AsJson, Backend, ConfigFile, Spinner, print_json, say, show

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Fill holes in pictures with a contextual-attention network.",
)
app.add_typer(engines.engines_app, name="engines")
GROUPS = (inpaint, engines, bench, training, rented, evaluation, hosts)
for command in (command for group in GROUPS for command in group.COMMANDS):
    app.command()(command)
UsageError: Any = typer.BadParameter.__base__  # click's UsageError; its module differs between versions of typer


@app.command()
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture file to write.")] = Path("out/demo.png"),
    config: ConfigFile = None,
    backend: Backend = None,
) -> None:
    """Fill a packaged photo and write input, mask, result and attention map side by side."""
    from ..demo import write_demo  # noqa: PLC0415  # heavy

    with Spinner("filling the photo"):
        write_demo(_inpainter(config, backend), output)
    say(f"wrote {output}")


@app.command()
def doctor(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Report what is installed, what is missing, and why each backend can or cannot run."""
    from .diagnosis import examine  # noqa: PLC0415  # heavy

    findings = examine(load_config(config), config_source(config))
    if as_json:
        print_json(findings)
        return
    table = Table("item", Column("found", overflow="fold"))
    for key, value in findings.items():
        table.add_row(key, _format_value(value))
    show(table)


@app.command()
def plugins(
    check: Annotated[bool, typer.Option("--check", help="Also let every plugin fill a small picture, and check the result.")] = False,
) -> None:
    """List the plugins that a host finds on this machine, as JSON."""
    from gi_plugin.hooks.listing import list_plugins  # noqa: PLC0415

    print_json(list_plugins(check=check))


def main() -> None:
    """Run the command line; for wrong usage and gi-plugin's own errors, print one line and exit with code 2."""
    logging.basicConfig(format="%(levelname)s: %(message)s", level=logging.WARNING)
    logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # we report damaged files ourselves
    try:
        _add_commands_of_plugins()
        sys.exit(app(standalone_mode=False))
    except UsageError as error:
        if error.format_message():  # it is empty if the help was printed
            say(f"error: {error.format_message()} (see: {error.ctx.command_path if error.ctx else 'gi-plugin'} --help)", "red")
    except (GiError, OSError) as error:
        say(f"error: {error}", "red")
    sys.exit(2)


def _add_commands_of_plugins() -> None:
    """Load the installed plugins, whose backends are then known, and let them add their commands."""
    from gi_plugin.hooks.loading import load_plugins  # noqa: PLC0415
    from gi_plugin.hooks.spec import plugin_manager  # noqa: PLC0415

    manager = plugin_manager()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # `plugins` reports broken plugins, and so do the commands that fill pictures
        load_plugins(manager, names=() if "--no-plugins" in sys.argv else None)
    for impl in manager.hook.register_commands.get_hookimpls():
        try:
            impl.function(app)
        except Exception as error:  # noqa: BLE001  # a broken plugin must not end the command line
            say(f"warning: plugin {impl.plugin_name}: register_commands: {type(error).__name__}: {error}", "yellow")


def _inpainter(config: Path | None, backend: str | None) -> Any:
    from ..inpainter import Inpainter  # noqa: PLC0415  # heavy

    return Inpainter(load_config(config, backend))


def _format_value(value: Any) -> str:
    """Format one finding of `doctor` for the table."""
    if isinstance(value, dict):
        return "\n".join(f"{key}: {entry}" for key, entry in value.items())
    if isinstance(value, list):
        return "\n".join(f"{entry['name']}: {'available' if entry['available'] else 'not available'}: {entry['reason']}" for entry in value)
    return str(value)
