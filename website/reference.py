"""The reference of the command line and of the settings as Markdown, made from the code."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rich.text import Text
from typer.main import get_command

from gi_plugin.cli.app import app
from gi_plugin.config import Config

ROOT = Path(__file__).parents[1]
PYTHON = """# Python

`dir(gi_plugin)` lists the names that stay; everything else may change. [The Python call](../python.md) has a line for every kind of data.

## Filling

::: gi_plugin.shared.inpaint
    options: {heading: gi_plugin.inpaint}
::: gi_plugin.inpainter.Inpainter
    options: {heading: gi_plugin.Inpainter}
::: gi_plugin.inpainter.Inpainting
::: gi_plugin.options.Options
::: gi_plugin.sequence.sequence.inpaint_sequence
    options: {heading: gi_plugin.inpaint_sequence}
::: gi_plugin.planning.overlap.required_overlap

## Settings

::: gi_plugin.config.reading.load_config
::: gi_plugin.config.tables.Config

## Errors

::: gi_plugin.errors
"""


def commands() -> str:
    """Return the page of all commands: what each does, its arguments and options, and an example."""
    root: Any = get_command(app)
    names = root.list_commands(None)
    return "\n".join(["# Commands\n", *(line for name in names for line in _command(root.commands[name], f"gi-plugin {name}"))])


def settings() -> str:
    """Return the page of all settings: each key of plugin.toml with its default, what is allowed, and what it means."""
    allowed = {
        (table.name, entry.name): entry.metadata.get("allowed", type(entry.default).__name__)
        for table in dataclasses.fields(Config)
        if dataclasses.is_dataclass(table.default)
        for entry in dataclasses.fields(table.default)
    }
    lines = ["# Settings\n", "`gi-plugin config init` writes a file with all of them, `gi-plugin config show` prints those that apply."]
    table, comment = "", list[str]()
    for line in (ROOT / "plugin.toml").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\[(\w+)\]", line):
            table = match[1]
            lines += [f"\n## [{table}]\n", "| key | default | allowed | |", "|---|---|---|---|"]
        elif match := re.fullmatch(r"(\w+) = (.+)", line):
            lines.append(_row(f"`{match[1]}`", f"`{match[2]}`", allowed[table, match[1]], " ".join(comment)))
        comment = [*comment, line.lstrip("# ")] if line.startswith("# ") else []
    return "\n".join(lines)


def _command(command: Any, name: str) -> Iterator[str]:
    """Yield the lines about a command, or about a group and its commands."""
    for group, subcommand in getattr(command, "commands", {}).items():
        yield from _command(subcommand, f"{name} {group}")
    if hasattr(command, "commands"):
        return
    yield f"## {name}\n"
    yield f"{_plain(command.help)}\n"
    yield from ("| | | |", "|---|---|---|")
    for parameter in command.params:
        if not getattr(parameter, "hidden", False):
            yield _row(_names(parameter), _plain(parameter.help), _default(parameter))
    yield f"\n```sh\n{_plain(command.epilog or '').removeprefix('Example: ')}\n```\n"


def _names(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    return "" if parameter.default is None or parameter.default is False or parameter.default == "" else f"default `{parameter.default}`"


def _plain(text: str | None) -> str:
    """Return a text of the help as Markdown: without the escapes of Rich, and without characters that Markdown would interpret."""
    return re.sub(r"(?<![`\w])([*_<])|([*])", lambda match: f"\\{match[0]}", Text.from_markup(text or "").plain)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in cells)} |"
