"""The backends that can run the network, by name and in order of preference: ours, and those of plugins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from gi_plugin.config import Config, EngineSettings
from gi_plugin.errors import ConfigError

from .protocol import BackendStatus, Engine

Opener = Callable[[Config, int], Engine]  # takes the settings and the side of the windows
StatusOf = Callable[[EngineSettings], BackendStatus]


@dataclass(frozen=True)
class Backend:
    """A backend: how to open an engine, and whether it can be used on this machine."""

    name: str
    open: Opener
    status: StatusOf


class Backends:
    """The registered backends in order of preference. One per process, so that all hosts in it know the same names."""

    def __init__(self) -> None:
        self._entries: list[Backend] = []

    def register(self, name: str, opener: Opener, status: StatusOf | None = None, before: str | None = None) -> None:
        """Add a backend; the same opener may be registered again.

        :param name: as in `[engine] backend`.
        :param opener: takes the settings and the side of the windows in pixels, and returns an `Engine`.
        :param status: takes the settings [engine], tells whether the backend can be used, and opens no engine; None: it always can.
        :param before: the backend that "auto" tries after this one; None: "auto" tries this one last.
        :raises ConfigError: if another opener has the name, the name is "auto", or there is no backend `before`.
        """
        names = self.names()
        if name in names:
            if _origin(self.get(name).open) != _origin(opener):
                raise ConfigError(f"backend {name!r} of {_origin(opener)[0]}: another backend has this name; choose another")
            return
        if name == "auto" or (before is not None and before not in names):
            raise ConfigError(f"backend {name!r}, before={before!r}: expected a new name, and one of {', '.join(names)} to stand before")
        known = BackendStatus(name, available=True, reason="registered by a plugin")
        self._entries.insert(len(names) if before is None else names.index(before), Backend(name, opener, status or (lambda _: known)))

    def remove(self, name: str) -> None:
        """Remove a backend, e.g. that of a plugin which failed to load."""
        self._entries = [entry for entry in self._entries if entry.name != name]

    def names(self) -> list[str]:
        """The names in order of preference."""
        return [entry.name for entry in self._entries]

    def get(self, name: str) -> Backend:
        """Return the backend of a name.

        :raises KeyError: if there is none.
        """
        return next((entry for entry in self._entries if entry.name == name), None) or _unknown(name)


def _origin(opener: Opener) -> tuple[Any, Any]:
    """Where a function was defined: a plugin that is registered in two managers may define it twice."""
    return getattr(opener, "__module__", None), getattr(opener, "__qualname__", opener)


def _unknown(name: str) -> Backend:
    raise KeyError(name)


BACKENDS = Backends()
