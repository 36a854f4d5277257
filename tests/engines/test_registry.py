"""The registry of backends, and backends of plugins in `open_engine`."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gi_plugin.config import BACKENDS as NAMES, Config, EngineSettings
from gi_plugin.engines import BACKENDS, BackendStatus, backend_status, open_engine
from gi_plugin.engines.registry import Backends
from gi_plugin.errors import ConfigError, EngineMissing


def _open(_: Config, window: int) -> Any:
    return type("Engine", (), {"window": window, "batch": 1, "backend": "of a plugin"})()


def _names(before: str | None) -> list[str]:
    backends = Backends()
    for name in ("first", "second"):
        backends.register(name, _open)
    backends.register("third", _open, before=before)
    return backends.names()


@pytest.mark.parametrize(
    ("before", "names"),
    [(None, ["first", "second", "third"]), ("first", ["third", "first", "second"]), ("second", ["first", "third", "second"])],
)
def test_the_order_of_preference(before: str | None, names: list[str]) -> None:
    """A backend stands before the named one, else last."""
    assert _names(before) == names


@pytest.mark.parametrize(("name", "before"), [("auto", None), ("new", "nobody")])
def test_a_wrong_registration_is_an_error(name: str, before: str | None) -> None:
    """The name "auto" is taken, and `before` must be known."""
    with pytest.raises(ConfigError, match=f"'{name}'.*expected"):
        BACKENDS.register(name, _open, before=before)


def test_a_name_has_one_opener() -> None:
    """Registering again is accepted, another opener under the same name is not."""
    backends = Backends()
    for _ in range(2):
        backends.register("mine", _open)
    with pytest.raises(ConfigError, match="another backend has this name"):
        backends.register("mine", open_engine)
    assert backends.names() == ["mine"]


@pytest.fixture
def registered() -> Any:
    """Register a backend that can be used and one that cannot, both before all others."""
    statuses = {name: BackendStatus(name, available=name == "there", reason="a test") for name in ("there", "not-there")}
    for name, status in statuses.items():
        BACKENDS.register(name, _open, lambda _settings, status=status: status, before=NAMES[0])
    yield
    for name in statuses:
        BACKENDS.remove(name)


@pytest.mark.usefixtures("registered")
def test_a_backend_of_a_plugin_is_opened() -> None:
    """By its name and by "auto", which skips one that is not available; its status is listed with ours."""
    assert [status.name for status in backend_status()] == ["there", "not-there", *NAMES]
    for backend in ("there", "auto"):
        engine = open_engine(Config(engine=EngineSettings(backend=backend)), 96)
        assert (engine.backend, engine.window) == ("of a plugin", 96)
    with pytest.raises(EngineMissing, match="not-there: a test"):
        open_engine(Config(engine=EngineSettings(backend="not-there")), 96)


def test_ours_are_registered() -> None:
    """Our backends are there without any plugin manager."""
    assert [name for name in BACKENDS.names() if name in NAMES] == list(NAMES)
    assert np.all([status.reason for status in backend_status()])
