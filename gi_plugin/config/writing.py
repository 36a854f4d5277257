"""Writes settings as the text of a plugin.toml."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from .tables import Config


def written(config: Config) -> str:
    """Return the text of a plugin.toml with every setting; `parse_config` returns equal settings for it."""
    tables = {entry.name: getattr(config, entry.name) for entry in dataclasses.fields(Config)}
    parts = [_table(name, vars(table)) for name, table in tables.items() if dataclasses.is_dataclass(table)]
    parts += [_table(f"plugins.{_key(name)}", table) for name, table in config.plugins.items()]
    return "\n".join(parts)


def _table(name: str, values: Mapping[str, Any]) -> str:
    return "".join(f"{line}\n" for line in (f"[{name}]", *_lines(values)))


def _lines(values: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{_key(key)} = {_value(value)}" for key, value in values.items())


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else _value(name)


def _value(value: Any) -> str:
    """Write a value of TOML; dates and times have the same form there and in Python."""
    if isinstance(value, dict):
        return f"{{{', '.join(_lines(value))}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, bool | int | str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value)
