"""How the command line is shown in its help, and how wrong usage is told."""

from __future__ import annotations

import re
from typing import Any

import typer
from rich.markup import escape
from typer.core import TyperCommand, TyperGroup

UsageError: Any = typer.BadParameter.__base__  # click's UsageError; its module differs between versions of typer


class PlainHelp:
    """Part of a command or group: its help shows flags without a type, and arguments without braces."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return all parameters; a flag has no value to name."""
        parameters: list[Any] = super().get_params(ctx)  # type: ignore[misc]  # a method of click's commands
        for parameter in parameters:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
        return parameters

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the words of the line of usage: {PICTURE... [MASK]}... as PICTURE... [MASK]."""
        pieces: list[str] = super().collect_usage_pieces(ctx)  # type: ignore[misc]  # as above
        return [re.sub(r"\{(.*)\}(\.\.\.)?", r"\1", piece) for piece in pieces]


class LiteralCommand(PlainHelp, TyperCommand):
    """A command whose help is shown as it is written: Rich would take words in brackets, such as [engine], for markup."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.help = escape(re.sub(r"(?<!\n)\n(?!\n)", " ", self.help or ""))  # a paragraph is one line, which the terminal wraps
        for parameter in self.params:
            if text := getattr(parameter, "help", None):
                parameter.help = escape(text)  # type: ignore[attr-defined]  # arguments and options have it


class PlainGroup(PlainHelp, TyperGroup):
    """A group of commands."""


def told(error: Any, arguments: list[str]) -> str:
    """Return the message of a `UsageError` with the help to read; empty if the help was printed.

    :param arguments: of the command line; they tell the command where the error does not.
    """
    message = error.format_message().replace("Value error, ", "")
    command = error.ctx.command_path if error.ctx else " ".join(["gi-plugin", *arguments[:1]])
    return f"{message} (see: {command} --help)" if message else ""
