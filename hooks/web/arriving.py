"""Requests as they arrive: names of files, numbers, bodies on the disk, and clients that leave before their answer."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

import anyio
from starlette.exceptions import HTTPException
from starlette.requests import Request

from gi_plugin.config import DETAILS
from gi_plugin.errors import ConfigError
from gi_plugin.options import Options

LONGEST_NAME = 120  # characters; with what is added to it, it stays below the limit of file systems
CLOSED = 499  # the status, known from nginx, of an answer that nobody waits for
Answer = TypeVar("Answer")


@asynccontextmanager
async def in_time(seconds: float) -> AsyncIterator[None]:
    """Limit the time in which a request arrives.

    :raises HTTPException: 408 if it takes longer.
    """
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise HTTPException(408, f"the request did not arrive within {seconds:g} s") from error


async def save_body(request: Request, path: Path) -> None:
    """Write the body of a request to a file, part by part."""
    async with await anyio.open_file(path, "wb") as file:
        async for part in request.stream():
            await file.write(part)


async def unless_left(request: Request, work: Coroutine[Any, Any, Answer]) -> Answer:
    """Wait for some work, whose request has arrived completely; cancel it if the client leaves.

    :raises HTTPException: 499 if the client left; nobody reads it.
    """
    task, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_until_left(request))
    try:
        await asyncio.wait((task, leaving), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise HTTPException(CLOSED, "the client left")
    finally:
        for unneeded in (task, leaving):
            unneeded.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await unneeded


async def _until_left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def file_name(given: str | None, otherwise: str) -> str:
    """Turn the name of an uploaded file into one that is safe in a folder of ours; only its last part and its suffix are kept."""
    name = PurePosixPath((given or "").replace("\\", "/")).name
    name = re.sub(r"[\x00-\x1f\x7f<>:\"|?*]", "_", name).encode("utf-8", "replace").decode()
    path = Path(name if name.strip(". ") else otherwise)
    return f"{path.stem[: LONGEST_NAME // 2]}{path.suffix[:8]}" if len(name.encode()) > LONGEST_NAME else path.name


def whole_number(values: Mapping[str, Any], name: str, default: int) -> int:
    """Read a whole number from the fields of a request.

    :raises ConfigError: if it is something else.
    """
    text = values.get(name, default)
    try:
        return int(text)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{name} = {text!r}: expected a whole number") from error


def options_of(values: Mapping[str, Any], deadline: float) -> Options:
    """Read the options of a fill from the fields of a request.

    :param deadline: seconds after which the fill ends.
    :raises ConfigError: if a value is not allowed.
    """
    detail = values.get("detail") or None
    if detail not in (None, *DETAILS):
        raise ConfigError(f"detail = {detail!r}: expected {' or '.join(map(repr, DETAILS))}")
    dilate = whole_number(values, "dilate", 0) if "dilate" in values else None
    return Options(detail=detail, dilate=dilate, seed=whole_number(values, "seed", 0), deadline=deadline)
