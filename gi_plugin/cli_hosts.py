"""The commands that bring the hook to hosts: a web page, an inference server."""

from __future__ import annotations

from collections.abc import Callable

COMMANDS: tuple[Callable[..., None], ...] = ()
