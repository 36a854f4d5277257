"""The engine cache returns exactly what was stored, or rejects it."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gi_plugin.config import EngineSettings
from gi_plugin.engines.cache import PAYLOAD, SIDECAR, CachedEngine, EngineCache, engine_cache, engine_key
from gi_plugin.errors import EngineMismatch

PARTS = {"network": "abc", "backend": "openvino fp32", "window": "256"}


@pytest.fixture
def cache(tmp_path: Path) -> EngineCache:
    return EngineCache(tmp_path / "cache")


def test_round_trip(cache: EngineCache) -> None:
    """A stored engine is loaded byte for byte, is listed, and no longer exists after clearing."""
    assert cache.load(PARTS) is None
    cache.store(PARTS, b"engine")
    assert cache.load(PARTS) == b"engine"
    assert [(entry.parts, entry.size) for entry in cache.entries()] == [(PARTS, 6)]
    assert cache.clear() == 1
    assert cache.load(PARTS) is None


@pytest.mark.parametrize("part", PARTS)
def test_every_part_changes_the_key(part: str) -> None:
    """An engine is found only if every part is the same."""
    assert engine_key({**PARTS, part: "other"}) != engine_key(PARTS)


def test_key_does_not_depend_on_the_order_of_parts() -> None:
    """The order in which parts are given does not change the key."""
    assert engine_key(dict(reversed(PARTS.items()))) == engine_key(PARTS)


def test_storing_again_replaces(cache: EngineCache) -> None:
    """The newer engine replaces the older one, and no temporary files remain."""
    cache.store(PARTS, b"old")
    cache.store(PARTS, b"new!")
    assert cache.load(PARTS) == b"new!"
    assert [path.name for path in cache.directory.iterdir()] == [engine_key(PARTS)]


@pytest.mark.parametrize("damage", ["changed", "truncated", "missing", "sidecar", "other parts"])
def test_a_damaged_entry_is_refused(cache: EngineCache, damage: str) -> None:
    """If engine or sidecar differ from what was stored, the error names the folder and the command that empties the cache."""
    cache.store(PARTS, b"engine")
    folder = cache.directory / engine_key(PARTS)
    match damage:
        case "changed":
            (folder / PAYLOAD).write_bytes(b"engin3")
        case "truncated":
            (folder / PAYLOAD).write_bytes(b"eng")
        case "missing":
            (folder / PAYLOAD).unlink()
        case "sidecar":
            (folder / SIDECAR).write_text("{", encoding="utf-8")
        case _:
            sidecar = json.loads((folder / SIDECAR).read_text(encoding="utf-8"))
            (folder / SIDECAR).write_text(json.dumps({**sidecar, "parts": {"network": "evil"}}), encoding="utf-8")
    with pytest.raises(EngineMismatch, match="gi-plugin engines clear") as caught:
        cache.load(PARTS)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize("read", [False, True])
def test_an_engine_that_is_removed_while_it_is_read_is_none(monkeypatch: pytest.MonkeyPatch, cache: EngineCache, read: bool) -> None:
    """Another process may prune the cache before or after the sidecar was read; the engine is then built anew."""
    cache.store(PARTS, b"engine")
    entry = cache._entry  # noqa: SLF001

    def removed(folder: Path) -> CachedEngine:
        found = entry(folder) if read else None
        cache.remove(folder.name)
        return found or entry(folder)

    monkeypatch.setattr(cache, "_entry", removed)
    assert cache.load(PARTS) is None


def test_only_the_owner_can_read(cache: EngineCache) -> None:
    """The folder is made private even if it existed before, because engines are executable code."""
    cache.directory.mkdir(parents=True, mode=0o777)
    cache.store(PARTS, b"engine")
    assert stat.S_IMODE(cache.directory.stat().st_mode) == 0o700


def test_the_lock_excludes_other_processes(cache: EngineCache) -> None:
    """Another process waits while the lock is held, and continues once it is free."""
    code = (
        "import sys; from pathlib import Path; from gi_plugin.engines.cache import EngineCache\n"
        "print('started', flush=True)\n"
        f"with EngineCache(Path(sys.argv[1])).locked({PARTS!r}): print('entered', flush=True)"
    )
    with cache.locked(PARTS):
        other = subprocess.Popen([sys.executable, "-c", code, str(cache.directory.parent)], stdout=subprocess.PIPE, text=True)
        assert other.stdout is not None
        assert other.stdout.readline() == "started\n"
        with pytest.raises(subprocess.TimeoutExpired):
            other.wait(timeout=1)
    output, _ = other.communicate(timeout=60)
    assert output == "entered\n"


def _filled(directory: Path, largest: int) -> list[str]:
    """Store engines of 100 bytes for four windows, the first of them twice, and return the windows that remain, oldest first."""
    cache = EngineCache(directory, largest)
    for window in ("96", "128", "256", "96", "512"):
        cache.store({**PARTS, "window": window}, b"x" * 100)
    return [entry.parts["window"] for entry in cache.entries()]


@pytest.mark.parametrize(
    ("largest", "remaining"),
    [(0, ["128", "256", "96", "512"]), (400, ["128", "256", "96", "512"]), (399, ["256", "96", "512"]), (200, ["96", "512"]), (1, ["512"])],
)
def test_the_oldest_engines_are_removed(tmp_path: Path, largest: int, remaining: list[str]) -> None:
    """Above the largest size the oldest engines go, never the newest; an engine that is stored again counts as new. 0 is no limit."""
    assert _filled(tmp_path, largest) == remaining


def test_the_size_is_a_setting(tmp_path: Path) -> None:
    """[engine] cache_size is in MB."""
    cache = engine_cache(EngineSettings(cache=str(tmp_path), cache_size=1))
    for window in ("128", "256"):
        cache.store({**PARTS, "window": window}, bytes(600_000))
    assert [entry.parts["window"] for entry in cache.entries()] == ["256"]


def test_entries_are_found_by_some_of_their_parts(cache: EngineCache) -> None:
    """`having` lists the entries with the parts given, and none whose sidecar names other parts than its key."""
    for window in ("128", "256"):
        cache.store({**PARTS, "window": window}, b"engine")
    assert [entry.parts["window"] for entry in cache.having({"network": "abc"})] == ["128", "256"]
    assert cache.having({"network": "abc", "window": "512"}) == []
    sidecar = cache.directory / engine_key({**PARTS, "window": "256"}) / SIDECAR
    sidecar.write_text(sidecar.read_text(encoding="utf-8").replace("256", "512"), encoding="utf-8")
    assert cache.having({"network": "abc", "window": "512"}) == []
