"""Fills the hole of a picture, window by window."""

from __future__ import annotations

from collections.abc import Iterator

from ..image import Picture
from ..planning import PlannedHole
from .completion import EngineOf, completions
from .control import Control
from .network_detail import write_completed
from .piece import Piece
from .transfer_detail import TransferDetail, TransferSettings


def fill(picture: Picture, planned: PlannedHole, engine_of: EngineOf, settings: TransferSettings, control: Control) -> Iterator[Piece]:
    """Write every missing pixel of `picture`, and yield each part of the hole with the sources of its pixels.

    :param engine_of: returns the engine for windows of the given size.
    :param settings: settings of the transfer; used if the hole was planned for it.
    :param control: asked between two windows, and between two steps of the transfer, whether to stop.
    :raises EngineError: if an engine fails.
    :raises Cancelled: if the call is to stop.
    """
    transfer = TransferDetail(picture, len(planned.windows), settings, control.check) if planned.detail == "transfer" else None
    done = 0
    for completion in completions(picture, planned.windows, engine_of, control):
        if transfer is not None:
            yield from transfer.fill(completion)
        else:
            for window in completion.windows:
                write_completed(picture, window, completion.pixels)
                yield Piece(window, completion.matches, None)
        done += len(completion.windows)
        control.report(done / len(planned.windows))
