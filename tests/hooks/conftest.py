"""Fixtures shared by the tests of the hooks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gi_plugin.config import CACHE_VARIABLE, CONFIG_VARIABLE
from gi_plugin.inpainter import close_default_inpainter


@pytest.fixture(scope="session")
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A new engine cache for all tests of a session."""
    return str(tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="module", autouse=True)
def default_settings(engine_cache: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Isolate the default inpainter from the user's settings and engines, and close it after each module."""
    settings = tmp_path_factory.mktemp("settings") / "plugin.toml"
    settings.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, engine_cache)
        patch.setenv(CONFIG_VARIABLE, str(settings))
        close_default_inpainter()
        yield
        close_default_inpainter()
