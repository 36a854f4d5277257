"""Settings: the tables of plugin.toml as frozen dataclasses, checked on load.

Settings come from the first of these that exists: the file named by the caller or by `--config`, the file named by the environment variable
GI_PLUGIN_CONFIG, plugin.toml in the user's configuration folder, the defaults below. A file only needs the keys that it changes.
"""

from __future__ import annotations

import dataclasses
import os
import tomllib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import platformdirs

from .errors import ConfigError
from .settings.tables import (
    BACKENDS,
    DETAILS,
    Detail,
    EngineSettings,
    HookSettings,
    ModelSettings,
    PluginSettings,
    TrainSettings,
    usable_cores,
)

__all__ = [
    "BACKENDS", "DETAILS", "Config", "Detail", "EngineSettings", "HookSettings", "ModelSettings", "PluginSettings", "TrainSettings",
    "cache_directory", "check_settings", "config_source", "load_config", "parse_config", "usable_cores", "user_config_file",
]  # fmt: skip
APPLICATION = "gi-plugin"
CONFIG_VARIABLE = "GI_PLUGIN_CONFIG"
CACHE_VARIABLE = "GI_PLUGIN_CACHE"


@dataclass(frozen=True)
class Config:
    """All settings, one attribute per table."""

    plugin: PluginSettings = PluginSettings()  # noqa: RUF009  # frozen
    hook: HookSettings = HookSettings()  # noqa: RUF009  # frozen
    model: ModelSettings = ModelSettings()  # noqa: RUF009  # frozen
    engine: EngineSettings = EngineSettings()  # noqa: RUF009  # frozen
    train: TrainSettings = TrainSettings()  # noqa: RUF009  # frozen
    source: Path | None = field(default=None, compare=False, kw_only=True)  # the file that they were read from; not a table


def load_config(path: str | Path | None = None, backend: str | None = None) -> Config:
    """Read the settings from `path`; if it is None, from the sources that the module's docstring lists.

    :param backend: overrides the setting [engine] backend.
    :raises ConfigError: if a setting is wrong; the message names file, key, value and the allowed values.
    """
    source = config_source(path)
    config = Config() if source is None else dataclasses.replace(parse_config(_read(source), str(source)), source=source)
    if backend:
        config = dataclasses.replace(config, engine=dataclasses.replace(config.engine, backend=backend))
        check_settings(config.engine, "command line:")
    return config


def parse_config(text: str, source: str) -> Config:
    """Parse the text of a plugin.toml; `source` is its name in error messages.

    :raises ConfigError: if a setting is wrong; the message names source, key, value and the allowed values.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not valid TOML: {error}") from error
    tables: dict[str, Any] = {}
    for name, kind in _tables().items():
        values = data.pop(name, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{source}: {name} = {values!r}: expected a table, write [{name}]")
        tables[name] = _table(kind, values, f"{source}: [{name}]")
    if data:
        name, value = next(iter(data.items()))
        raise ConfigError(f"{source}: {name} = {value!r}: unknown table or key; known tables: {', '.join(tables)}")
    return Config(**tables)


def check_settings(settings: Any, origin: str) -> None:
    """Check a table of settings that did not come from a file, e.g. from the command line; `origin` is their name in error messages.

    :raises ConfigError: if a value is wrong.
    """
    for entry in dataclasses.fields(settings):
        _check(entry, getattr(settings, entry.name), origin)


def user_config_file() -> Path:
    """Return the path of the current user's plugin.toml; the file may not exist.

    :raises OSError: if the user has no home folder.
    """
    return _in_home(lambda: platformdirs.user_config_path(APPLICATION, appauthor=False)) / "plugin.toml"


def cache_directory(engine: EngineSettings) -> Path:
    """Return the folder for built engines: the setting [engine] cache, else GI_PLUGIN_CACHE, else the user's cache folder.

    :raises OSError: if the user has no home folder, and no other folder is named.
    """
    named = engine.cache or os.environ.get(CACHE_VARIABLE, "")
    return _in_home(lambda: Path(named).expanduser() if named else platformdirs.user_cache_path(APPLICATION, appauthor=False))


def config_source(path: str | Path | None = None) -> Path | None:
    """Return the file that `load_config` reads; None if the defaults apply."""
    named = path or os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    with suppress(OSError):  # no home folder, no settings of the user
        return file if (file := user_config_file()).is_file() else None
    return None


def _in_home(find: Callable[[], Path]) -> Path:
    try:
        return find()
    except (RuntimeError, KeyError) as error:  # HOME is not set, and the user is unknown to the system
        raise OSError(f"this user has no home folder: set HOME, or {CACHE_VARIABLE} to a folder for engines") from error


def _read(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: cannot be read: {error}") from error


def _tables() -> dict[str, type[Any]]:
    return {entry.name: type(entry.default) for entry in dataclasses.fields(Config) if dataclasses.is_dataclass(entry.default)}


def _table(kind: type[Any], values: dict[str, Any], origin: str) -> Any:
    entries = {entry.name: entry for entry in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in entries:
            raise ConfigError(f"{origin} {key} = {value!r}: unknown key; known keys: {', '.join(entries)}")
        _check(entries[key], value, origin)
    return kind(**values)


def _check(entry: dataclasses.Field[Any], value: Any, origin: str) -> None:
    accepted: tuple[type, ...] = (int, float) if isinstance(entry.default, float) else (type(entry.default),)
    kind = type(entry.default).__name__
    if type(value) not in accepted:  # not isinstance: bool is a subclass of int
        raise ConfigError(f"{origin} {entry.name} = {value!r}: expected {kind}, got {type(value).__name__}")
    test = entry.metadata.get("test")
    if test is not None and not test(value):
        raise ConfigError(f"{origin} {entry.name} = {value!r}: expected {entry.metadata['allowed']}")
