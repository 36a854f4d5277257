"""What the page asks the server for: load a photo, fill what is painted on it, show and download its versions."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response

from .answers import FillProgress, Step, TemporaryFile
from .arriving import file_name, in_time, options_of, save_body, unless_left, whole_number
from .limits import Limits
from .photos import painting, rounds
from .photos.painting import Painting
from .photos.stored import StoredPhoto
from .state import ServerState, state_of

DILATE = 2  # pixels by which the page grows a hole at first: a tight mask leaves the rim of an object
MOST_PAINTED = 32 * 2**20  # bytes of a painting, a PNG that is kept in memory


async def settings(request: Request) -> Response:
    """Tell what the page shows at first, and the limit that it checks itself."""
    state = state_of(request)
    hook = state.inpainter.config.hook
    return JSONResponse({"detail": hook.detail, "dilate": max(hook.dilate, DILATE), "upload": state.limits.upload})


async def load(request: Request) -> Response:
    """Store the photo that is the body of a request, and tell its key and size."""
    state = state_of(request)
    with state.line.place():
        key, photo = state.photos.new(file_name(request.query_params.get("name"), "photo.png"))
        try:
            async with in_time(state.limits.seconds):
                await save_body(request, photo.path)
            found = await unless_left(request, state.line.run(rounds.opened, photo, state.reader))
        except BaseException:
            state.photos.remove(key)
            raise
    return JSONResponse({"key": key, **asdict(found)})


async def preview(request: Request) -> Response:
    """Show a photo that the browser does not show as we do."""
    state, photo = _photo(request)
    width, height = (whole_number(request.query_params, name, 0) for name in ("width", "height"))
    with state.line.place():
        work = state.line.run(rounds.preview, photo, state.reader, width, height)
        return Response(await unless_left(request, work), media_type="image/png")


async def fill(request: Request) -> Response:
    """Fill what is painted on a version: the body is a PNG of it; the answer is that of `FillProgress`."""
    state, photo = _photo(request)
    version, options = whole_number(request.query_params, "version", 0), options_of(request.query_params, state.limits.seconds)
    photo.check(version)

    async def prepare() -> Step:
        return partial(rounds.fill, photo, version, await _painting(request, state.limits), state.reader, state.inpainter)

    return FillProgress(state.line, prepare, options)


async def mask(request: Request) -> Response:
    """Return what is painted as a mask file of the photo's size."""
    state, photo = _photo(request)
    with state.line.place():
        painted = await _painting(request, state.limits)
        data = await unless_left(request, state.line.run(painting.mask_file, painted, photo.shape))
    return Response(data, media_type="image/png")


async def read_mask(request: Request) -> Response:
    """Turn the mask file that is the body of a request into a painting of the photo's size."""
    state, photo = _photo(request)
    name = file_name(request.query_params.get("name"), "mask.png")
    with state.line.place(), _removed(state) as folder:
        async with in_time(state.limits.seconds):
            await save_body(request, folder / name)
        work = state.line.run(painting.painting_of_file, folder / name, name, photo.shape, state.reader.max_pixels)
        return Response(await unless_left(request, work), media_type="image/png")


async def picture(request: Request) -> Response:
    """Show what a version changed, or where its pixels came from."""
    kind = request.path_params["kind"]
    path = _photo(request)[1].picture(request.path_params["version"], kind)
    if kind not in ("patch", "sources") or not path.is_file():
        raise HTTPException(404, "there is no such picture")
    return FileResponse(path, media_type="image/png")


async def download(request: Request) -> Response:
    """Return a version of the photo as a file; in a format without loss if the query holds `lossless`."""
    state, photo = _photo(request)
    version, lossless = whole_number(request.query_params, "version", 0), "lossless" in request.query_params
    photo.check(version)
    with state.line.place(), _removed(state, unless_done=True) as folder:
        write = partial(rounds.download, photo, version, state.reader, folder, lossless=lossless)
        return TemporaryFile(await unless_left(request, state.line.run(write)), folder)


async def leave(request: Request) -> Response:
    """Delete a photo."""
    state, photo = _photo(request)
    state.photos.remove(request.path_params["key"])
    state.reader.forget(photo)
    return Response(status_code=204)


def _photo(request: Request) -> tuple[ServerState, StoredPhoto]:
    state = state_of(request)
    return state, state.photos.get(request.path_params["key"])


async def _painting(request: Request, limits: Limits) -> Painting:
    """Read the painting that is the body of a request; its place is in the query."""
    query: Mapping[str, Any] = request.query_params
    data = bytearray()
    async with in_time(limits.seconds):
        async for part in request.stream():
            data += part
            if len(data) > MOST_PAINTED:
                raise HTTPException(413, f"the painting is longer than {MOST_PAINTED // 2**20} MB")
    return painting.read_painting(bytes(data), *(whole_number(query, name, 0) for name in ("left", "top", "width", "height")))


@contextmanager
def _removed(state: ServerState, *, unless_done: bool = False) -> Iterator[Path]:
    """A folder that is deleted after the `with` block, or only if the block fails."""
    folder, done = Path(tempfile.mkdtemp(dir=state.folder)), False
    try:
        yield folder
        done = unless_done
    finally:
        if not done:
            shutil.rmtree(folder, ignore_errors=True)
