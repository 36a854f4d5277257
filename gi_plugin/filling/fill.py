"""Fills the hole of a picture: first its thin parts, then the thick ones, window by window."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ..image import Picture
from ..inputs.control import Control
from ..planning import PlannedHole
from .completion import completions
from .engines import Engines
from .network_detail import write_completed
from .piece import Piece
from .thin_fill import chunks, fill_thin
from .transfer_detail import TransferDetail, TransferSettings


def fill(picture: Picture, planned: PlannedHole, engines: Engines, settings: TransferSettings, control: Control) -> Iterator[Piece]:
    """Write every missing pixel of `picture`, and yield each thick part of the hole with the sources of its pixels.

    :param engines: opens the engines that are needed.
    :param settings: settings of the transfer; used if the hole was planned for it.
    :param control: asked whether to stop, between two windows or chunks of tiles, and between two steps of the transfer.
    :raises EngineError: if an engine fails.
    :raises Cancelled: if the call is to stop.
    """
    steps, done = chunks(planned) + len(planned.windows), 0
    if len(planned.squares):
        for _ in fill_thin(picture, planned, engines.thin_engine(), control):
            done += 1
            control.report(done / steps)
        picture = replace(picture, hole=planned.thick)  # the thin parts are known now
    if not planned.windows:
        return
    transfer = TransferDetail(picture, len(planned.windows), settings, control.check) if planned.detail == "transfer" else None
    for completion in completions(picture, planned.windows, engines.engine, control):
        if transfer is not None:
            yield from transfer.fill(completion)
        else:
            for window in completion.windows:
                write_completed(picture, window, completion.pixels)
                yield Piece(window, completion.matches, None)
        done += len(completion.windows)
        control.report(done / steps)
