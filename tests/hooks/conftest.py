"""What the tests of this folder share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gi_plugin.config import CACHE_VARIABLE, CONFIG_VARIABLE
from gi_plugin.inpainter import close_default_inpainter


@pytest.fixture(scope="session")
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("engines"))


@pytest.fixture(scope="module", autouse=True)
def default_settings(engine_cache: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An inpainter of the process that knows neither the user's settings nor the user's engines, and is gone afterwards."""
    settings = tmp_path_factory.mktemp("settings") / "plugin.toml"
    settings.touch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, engine_cache)
        patch.setenv(CONFIG_VARIABLE, str(settings))
        close_default_inpainter()
        yield
        close_default_inpainter()
