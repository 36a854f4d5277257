"""Objects that are slow to make and that the tests of several engines share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.engines.kernels import Kernels


@pytest.fixture(scope="session")
def kernels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernels]:
    """The attention kernel, compiled for every architecture and type that the tests need."""
    kernels = Kernels(tmp_path_factory.mktemp("triton-cache"))
    yield kernels
    kernels.close()
