"""The engine cache stores built engines in the user's cache folder, each in its own folder with a JSON file (sidecar) that describes it.

Engines are executable code. They are built on this machine, stored in a folder that only its owner can read, and never downloaded.
The name of an engine's folder is a hash of everything the engine depends on. The engine is checked against its sidecar before it is used.
If the folder has a largest size, storing an engine removes the oldest others.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from gi_plugin.atomic import sync
from gi_plugin.config import EngineSettings, cache_directory
from gi_plugin.errors import EngineMismatch

PAYLOAD, SIDECAR = "engine.bin", "engine.json"
CLEAR_COMMAND = "gi-plugin engines clear"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CachedEngine:
    """One entry of the cache."""

    key: str
    folder: Path
    parts: dict[str, str]
    size: int
    created: float
    notes: dict[str, str]  # further information, not part of the key


def engine_cache(settings: EngineSettings) -> EngineCache:
    """Return the cache that the settings name."""
    return EngineCache(cache_directory(settings), 10**6 * settings.cache_size)


def engine_key(parts: Mapping[str, str]) -> str:
    """Return the folder name for an engine that depends on `parts`."""
    return hashlib.sha256(json.dumps(dict(sorted(parts.items()))).encode()).hexdigest()[:32]


class EngineCache:
    """The engines stored under `directory`. Every method also works if that folder does not exist yet.

    :param largest: size in bytes above which the oldest engines are removed when one is stored; 0: no limit.
    """

    def __init__(self, directory: Path, largest: int = 0) -> None:
        self.directory, self._largest = directory / "engines", largest

    @contextmanager
    def locked(self, parts: Mapping[str, str]) -> Iterator[None]:
        """Hold the lock of one engine, so that only one process builds it and the others wait.

        :raises OSError: if the cache folder cannot be written.
        """
        from filelock import FileLock  # noqa: PLC0415  # slow import, needed only to build an engine

        self._make()
        with FileLock(self.directory / f"{engine_key(parts)}.lock", mode=0o600):
            yield

    def has(self, parts: Mapping[str, str]) -> bool:
        """Whether there is an entry for `parts`, damaged or not."""
        return (self.directory / engine_key(parts)).is_dir()

    def load(self, parts: Mapping[str, str]) -> bytes | None:
        """Read the engine made for `parts`; None if there is none.

        :raises EngineMismatch: if the entry is damaged or was changed.
        """
        folder = self.directory / engine_key(parts)
        if not self.has(parts):
            return None
        try:
            entry, payload = self._entry(folder), (folder / PAYLOAD).read_bytes()
            found, expected = hashlib.sha256(payload).hexdigest(), self._sidecar(folder)["sha256"]
        except (EngineMismatch, FileNotFoundError):
            if self.has(parts):
                raise
            return None  # another process removed it meanwhile
        if found != expected or entry.parts != dict(parts):
            raise EngineMismatch(f"{folder}: expected sha256 {expected}, found {found}: the cached engine was changed; {_remedy()}")
        return payload

    def store(self, parts: Mapping[str, str], payload: bytes, notes: Mapping[str, str] | None = None) -> None:
        """Store an engine. Another process sees the complete entry or none.

        :param notes: further information, such as the GPUs it runs on.
        :raises OSError: if the cache cannot be written (read-only, disk full).
        """
        self._make()
        digest = hashlib.sha256(payload).hexdigest()
        sidecar = {"parts": dict(parts), "notes": dict(notes or {}), "sha256": digest, "size": len(payload), "created": time.time()}
        partial = Path(tempfile.mkdtemp(prefix="part-", dir=self.directory))
        try:
            (partial / PAYLOAD).write_bytes(payload)
            (partial / SIDECAR).write_text(json.dumps(sidecar, indent=1), encoding="utf-8")
            for file in (partial / PAYLOAD, partial / SIDECAR):
                sync(file)
            self.remove(engine_key(parts))
            partial.rename(self.directory / engine_key(parts))
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._prune(engine_key(parts))

    def entry(self, parts: Mapping[str, str]) -> CachedEngine | None:
        """Look up the entry for `parts` without reading the engine itself; None if there is none.

        :raises EngineMismatch: if the entry is damaged.
        """
        folder = self.directory / engine_key(parts)
        return self._entry(folder) if folder.is_dir() else None

    def entries(self) -> list[CachedEngine]:
        """List all readable entries, oldest first."""
        found = []
        for folder in self.directory.glob("*/") if self.directory.is_dir() else ():
            try:
                found.append(self._entry(folder))
            except (EngineMismatch, OSError):
                continue  # being written, or damaged; `clear` removes it anyway
        return sorted(found, key=lambda entry: entry.created)

    def having(self, parts: Mapping[str, str]) -> list[CachedEngine]:
        """List the readable entries that have all of `parts`, oldest first; their other parts may have any value."""
        return [entry for entry in self.entries() if parts.items() <= entry.parts.items() and entry.key == engine_key(entry.parts)]

    def remove(self, key: str) -> None:
        """Remove one entry if it exists."""
        shutil.rmtree(self.directory / key, ignore_errors=True)

    def clear(self) -> int:
        """Remove all entries and return how many there were."""
        count = len(self.entries())
        shutil.rmtree(self.directory, ignore_errors=True)
        return count

    def _prune(self, newest: str) -> None:
        """Remove the oldest entries until the largest size is met; the newest stays, even if it alone is larger."""
        entries = self.entries() if self._largest else []
        excess = sum(entry.size for entry in entries) - self._largest
        for entry in entries:
            if excess > 0 and entry.key != newest:
                log.info("engine cache %s is above its largest size: the engine %s is removed", self.directory, entry.key)
                self.remove(entry.key)
                excess -= entry.size

    def _make(self) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chmod(self.directory, 0o700)  # noqa: PTH101  # mkdir does not change the mode of an existing folder

    def _sidecar(self, folder: Path) -> dict[str, object]:
        try:
            sidecar = json.loads((folder / SIDECAR).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise EngineMismatch(f"{folder / SIDECAR}: the sidecar cannot be read ({error}); {_remedy()}") from error
        if not isinstance(sidecar, dict) or not {"parts", "sha256", "size", "created"} <= sidecar.keys():
            raise EngineMismatch(f"{folder / SIDECAR}: the sidecar lacks keys; {_remedy()}")
        return sidecar

    def _entry(self, folder: Path) -> CachedEngine:
        sidecar = self._sidecar(folder)
        parts, size, created, notes = sidecar["parts"], sidecar["size"], sidecar["created"], sidecar.get("notes", {})
        payload = folder / PAYLOAD
        if not (isinstance(parts, dict) and isinstance(notes, dict) and isinstance(size, int) and isinstance(created, float)):
            raise EngineMismatch(f"{folder / SIDECAR}: a value in the sidecar has the wrong type; {_remedy()}")
        if not payload.is_file():
            raise EngineMismatch(f"{folder}: {PAYLOAD} is missing; {_remedy()}")
        if payload.stat().st_size != size:
            raise EngineMismatch(f"{payload}: expected {size} bytes, found {payload.stat().st_size}; {_remedy()}")
        return CachedEngine(folder.name, folder, _texts(parts), size, created, _texts(notes))


def _texts(values: dict[object, object]) -> dict[str, str]:
    return {str(key): str(value) for key, value in values.items()}


def _remedy() -> str:
    return f"empty the cache with: {CLEAR_COMMAND}"
