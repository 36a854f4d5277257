"""Fields of settings, with the values that they allow; `config` checks them."""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any


def one_of(default: Any, *choices: Any) -> Any:
    """A setting that takes one of `choices`."""
    allowed = " or ".join(repr(choice) for choice in choices)
    return field(default=default, metadata={"allowed": allowed, "test": lambda value: value in choices})


def between(default: Any, low: float, high: float) -> Any:
    """A number from `low` to `high`."""
    return field(default=default, metadata={"allowed": f"{low} to {high}", "test": lambda value: low <= value <= high})


def matching(default: str, pattern: str, allowed: str) -> Any:
    """A text that matches a regular expression; `allowed` describes it in messages."""
    return field(default=default, metadata={"allowed": allowed, "test": lambda value: re.fullmatch(pattern, value) is not None})


def multiple_of_32(default: int, low: int, high: int) -> Any:
    """A multiple of 32 from `low` to `high`."""
    allowed = f"a multiple of 32 from {low} to {high}"
    return field(default=default, metadata={"allowed": allowed, "test": lambda value: low <= value <= high and value % 32 == 0})
