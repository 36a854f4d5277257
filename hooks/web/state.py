"""What all requests to a server share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request

from gi_plugin.inpainter import Inpainter

from .limits import Limits
from .photos.reading import PhotoReader
from .photos.stored import PhotoStore
from .work import WorkLine


@dataclass(frozen=True)
class ServerState:
    """The inpainter of a server, its limits, its line of work and its files."""

    inpainter: Inpainter
    limits: Limits
    line: WorkLine
    photos: PhotoStore
    reader: PhotoReader
    folder: Path  # for files of single requests


def state_of(request: Request) -> ServerState:
    """Return the state of the server that a request reached."""
    state: ServerState = request.app.state.shared
    return state
