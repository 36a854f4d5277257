"""Fixtures shared by the tests of the hooks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

from gi_plugin.config import CACHE_VARIABLE, CONFIG_VARIABLE
from gi_plugin.shared import close_default_inpainter

Install = Callable[..., None]


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


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """A function that installs a plugin from its package's name and the text of its module, like pip.

    The entry point has the package's name, unless `point` is another, and names the module, or the object `attribute` in it.
    """

    def install(name: str, text: str, point: str = "", attribute: str = "") -> None:
        metadata = tmp_path / f"{name}-1.2.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n", encoding="utf-8")
        value = f"{name}_module:{attribute}" if attribute else f"{name}_module"
        (metadata / "entry_points.txt").write_text(f"[gi_plugin]\n{point or name} = {value}\n", encoding="utf-8")
        (tmp_path / f"{name}_module.py").write_text(dedent(text), encoding="utf-8")
        monkeypatch.delitem(sys.modules, f"{name}_module", raising=False)
        monkeypatch.syspath_prepend(tmp_path)

    return install
