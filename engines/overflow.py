"""Windows that overflow in low precision are run again in fp32."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from gi_plugin.arrays import Floats, Matches

from .protocol import Engine

log = logging.getLogger(__name__)


class Fp32Retry:
    """An fp32 engine that is opened when the first window overflows, and then kept."""

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._open_engine, self._lock = open_engine, threading.Lock()
        self._engine: Engine | None = None

    def __call__(self, backend: str, image: Floats, mask: Floats) -> tuple[Floats, Matches]:
        """Run windows that the engine `backend` could not complete."""
        log.warning("%s overflowed on a %d px window, which is run again in fp32", backend, image.shape[-1])
        with self._lock:
            self._engine = self._engine or self._open_engine()
        return self._engine(image, mask)

    def close(self) -> None:
        """Close the engine if it was opened."""
        if self._engine is not None:
            self._engine.close()
