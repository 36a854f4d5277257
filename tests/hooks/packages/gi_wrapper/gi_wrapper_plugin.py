"""A wrapper of a third party: the second channel of filled pixels gets a fixed level."""

from __future__ import annotations

from collections.abc import Generator

from gi_plugin.arrays import Array, Bools
from gi_plugin.hooks.spec import hookimpl

LEVEL = 7


@hookimpl(wrapper=True)
def inpaint(mask: Bools) -> Generator[None, Array, Array]:
    """Mark filled pixels."""
    result = yield
    result[mask, 1] = LEVEL
    return result
