"""Reads plugin.toml and checks it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from ..errors import ConfigError
from .places import config_source
from .tables import Config, check_settings, check_value


def load_config(path: str | Path | None = None, backend: str | None = None) -> Config:
    """Read the settings from `path`; if it is None, from the sources that `gi_plugin.config` lists.

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
    import tomllib  # noqa: PLC0415  # without a file of settings, nobody waits for this import

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
    plugins = _tables_of_plugins(data.pop("plugins", {}), source)
    if data:
        name, value = next(iter(data.items()))
        raise ConfigError(f"{source}: {name} = {value!r}: unknown table or key; known tables: {', '.join((*tables, 'plugins.NAME'))}")
    return Config(**tables, plugins=plugins)


def _read(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _tables() -> dict[str, type[Any]]:
    return {entry.name: type(entry.default) for entry in dataclasses.fields(Config) if dataclasses.is_dataclass(entry.default)}


def _tables_of_plugins(tables: Any, source: str) -> dict[str, dict[str, Any]]:
    """Check that `plugins` holds one table per plugin."""
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"{source}: plugins = {tables!r}: expected tables, write [plugins.NAME]")
    return tables


def _table(kind: type[Any], values: dict[str, Any], origin: str) -> Any:
    entries = {entry.name: entry for entry in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in entries:
            raise ConfigError(f"{origin} {key} = {value!r}: unknown key; known keys: {', '.join(entries)}")
        check_value(entries[key], value, origin)
    return kind(**values)
