"""Fills the hole of a picture, window by window."""

from __future__ import annotations

from collections.abc import Iterator

from ..image import Picture
from ..planning import PlannedHole
from .completion import EngineOf, completions
from .network_detail import write_completed
from .piece import Piece
from .transfer_detail import TransferDetail, TransferSettings


def fill(picture: Picture, planned: PlannedHole, engine_of: EngineOf, settings: TransferSettings) -> Iterator[Piece]:
    """Write every missing pixel of `picture`, and yield each part of the hole with the sources of its pixels.

    :param engine_of: returns the engine for windows of the given size.
    :param settings: settings of the transfer; used if the hole was planned for it.
    :raises EngineError: if an engine fails.
    """
    transfer = TransferDetail(picture, len(planned.windows), settings) if planned.detail == "transfer" else None
    for completion in completions(picture, planned.windows, engine_of):
        if transfer is not None:
            yield from transfer.fill(completion)
            continue
        for window in completion.windows:
            write_completed(picture, window, completion.pixels)
            yield Piece(window, completion.matches, None)
