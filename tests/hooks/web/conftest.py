"""Fixture shared by the tests of the web page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.hooks.web import web_server
from tests.hooks.web.web_server import SETTINGS, PageServer


@pytest.fixture(scope="session")
def server(engine_cache: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PageServer]:
    """One running page for all tests, with a limit on the size of photos."""
    with web_server.running(tmp_path_factory.mktemp("server"), SETTINGS, engine_cache) as running:
        yield running
