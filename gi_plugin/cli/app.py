"""The command-line application: it registers every command and turns errors into one line and an exit code.

Exit codes: 0 success, 1 some inputs failed (each is named), 2 wrong usage or input.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

import gi_plugin

from ..config import config_source, load_config
from ..errors import GiError
from . import bench, engines, evaluation, hosts, inpaint, settings, training
from .terminal import AsJson, Backend, ConfigFile, Spinner, in_command_words, print_json, say, show
from .usage import LiteralCommand, PlainGroup, UsageError, told

EXAMPLES = {  # the groups of the help, and an example of every command, in the order of the help
    "Use": {
        "inpaint": "gi-plugin inpaint photo.jpg mask.png -o filled.png",
        "demo": "gi-plugin demo -o demo.png",
        "config": "gi-plugin config show",
    },
    "Check": {
        "doctor": "gi-plugin doctor",
        "plugins": "gi-plugin plugins --check",
        "bench": "gi-plugin bench --window 256 --runs 5",
        "build": "gi-plugin build --backend tensorrt-rtx",
        "engines": "gi-plugin engines list",
        "gpu": "gi-plugin gpu -o results/",
    },
    "Train": {
        "train": "gi-plugin train --data photos/ --minutes 60 -o runs/train",
        "export": "gi-plugin export runs/train/best.safetensors -o network.onnx",
        "quantize": "gi-plugin quantize network.onnx --data photos/",
        "evaluate": "gi-plugin evaluate --data test-photos/ --masks center,random",
        "ablate": "gi-plugin ablate --data photos/ --scored test-photos/ --first gan=hinge --second gan=lsgan --minutes 30",
        "throughput": "gi-plugin throughput --set batch=4",
        "gpu-train": "gi-plugin gpu-train --data photos/ --minutes 20 -o runs/gpu",
    },
    "Serve": {
        "ui": "gi-plugin ui --port 7860",
        "serve": "gi-plugin serve --port 8000",
        "export-triton": "gi-plugin export-triton models/",
    },
}
PLACES = {name: (group, example) for group, examples in EXAMPLES.items() for name, example in examples.items()}
MODULES = (inpaint, engines, bench, training, evaluation, hosts)


class OrderedGroup(PlainGroup):
    """The group of all commands, in the order of `EXAMPLES`; those of plugins come last."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of the commands in the order of the help."""
        order = list(PLACES)
        return sorted(super().list_commands(ctx), key=lambda name: order.index(name) if name in PLACES else len(order))

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the arguments begin with; a picture in its place has a message of its own."""
        if args[0] not in self.commands and Path(args[0]).exists():
            ctx.fail(f"{args[0]} is a path: expected a command first, for example gi-plugin inpaint {args[0]}")
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=OrderedGroup,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Fill holes in pictures with a contextual-attention network.",
    epilog="Example: gi-plugin inpaint photo.jpg mask.png -o filled.png",
)


def register(function: Callable[..., None]) -> Callable[..., None]:
    """Add a command to the application, in its group of the help and with its example."""
    name = function.__name__.replace("_", "-")
    group, example = PLACES[name]
    app.command(cls=LiteralCommand, rich_help_panel=group, epilog=f"Example: {escape(example)}")(function)
    return function


for command in (command for module in MODULES for command in module.COMMANDS):
    register(command)
for name, group_app in (("engines", engines.engines_app), ("config", settings.config_app)):
    app.add_typer(group_app, name=name, rich_help_panel=PLACES[name][0], epilog=f"Example: {PLACES[name][1]}")


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"gi-plugin {gi_plugin.__version__}")
        raise typer.Exit


@app.callback()
def common(
    version: Annotated[bool, typer.Option("--version", "-V", callback=_print_version, is_eager=True, help="Print the version.")] = False,
) -> None:
    """Fill holes in pictures with a contextual-attention network."""


@register
def demo(
    output: Annotated[Path, typer.Option("--output", "-o", help="Picture file to write.")] = Path("out/demo.png"),
    config: ConfigFile = None,
    backend: Backend = None,
) -> None:
    """Fill a packaged photo and write input, mask, result and attention map side by side."""
    from ..photos.demo import write_demo  # noqa: PLC0415  # heavy

    with Spinner("filling the photo"):
        write_demo(_inpainter(config, backend), output)
    say(f"wrote {output}")


@register
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


@register
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
    warnings.showwarning = lambda message, *_: say(f"warning: {message}", "yellow")  # one line, without a line of the source
    try:
        _add_commands_of_plugins()
        sys.exit(app(standalone_mode=False))
    except UsageError as error:
        if message := told(error, sys.argv[1:]):
            say(f"error: {message}", "red")
    except (GiError, OSError) as error:
        say(f"error: {in_command_words(str(error))}", "red")
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
