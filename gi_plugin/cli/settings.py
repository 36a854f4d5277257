"""The commands `config show`, `config init` and `config path`: the settings of plugin.toml."""

from __future__ import annotations

import dataclasses
from importlib.metadata import distribution
from pathlib import Path
from typing import Annotated, Any

import typer

import gi_plugin

from ..config import APPLICATION, config_source, load_config, user_config_file, written
from ..errors import ConfigError
from .terminal import AsJson, ConfigFile, print_json, say
from .usage import LiteralCommand, PlainGroup

config_app = typer.Typer(cls=PlainGroup, no_args_is_help=True, help="Show the settings, or start a settings file.")
NAME = "plugin.toml"


@config_app.command("show", cls=LiteralCommand, epilog="Example: gi-plugin config show")
def config_show(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Print every setting that applies, as a plugin.toml."""
    settings = load_config(config)
    if as_json:
        print_json(_tables(settings))
        return
    source = config_source(config)
    print(f"# {source or 'the defaults: there is no settings file; make one with: gi-plugin config init'}")
    print(written(settings), end="")


@config_app.command("init", cls=LiteralCommand, epilog="Example: gi-plugin config init")
def config_init(
    config: Annotated[Path | None, typer.Option("--config", help="File to write (default: the user's plugin.toml).")] = None,
) -> None:
    """Write a settings file with every setting, its default and a comment; an existing file is not changed."""
    file = config or user_config_file()
    if file.exists():
        raise ConfigError(f"{file} exists already: edit it, or name another file with --config")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8") as stream:
        stream.write(packaged_settings().read_text(encoding="utf-8"))
    say(f"wrote {file}")


@config_app.command("path", cls=LiteralCommand, epilog="Example: gi-plugin config path")
def config_path(config: ConfigFile = None) -> None:
    """Print the path of the settings file that is read, or would be if it existed."""
    file = config_source(config) or user_config_file()
    print(file)
    if not file.exists():
        say("there is no such file: the defaults apply; make it with: gi-plugin config init")


def packaged_settings() -> Path:
    """Return the plugin.toml that came with this installation.

    :raises ConfigError: if it was removed.
    """
    root = Path(gi_plugin.__file__).parents[1]
    installed = (Path(str(file.locate())) for file in distribution(APPLICATION).files or () if file.name == NAME)
    places = (root / NAME, root / "share" / APPLICATION / NAME, *installed)
    found = next(filter(Path.is_file, places), None)
    if found is None:
        raise ConfigError(f"the {NAME} of this installation is missing: install gi-plugin again")
    return found


def _tables(settings: Any) -> dict[str, Any]:
    tables = dataclasses.asdict(settings)
    del tables["source"]
    return tables
