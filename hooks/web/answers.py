"""Answers that take care of what belongs to them: a file with its folder, a fill with its progress."""

from __future__ import annotations

import asyncio
import json
import logging
import mimetypes
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.responses import FileResponse, Response, StreamingResponse

from gi_plugin.errors import GiError
from gi_plugin.options import Options

from .photos.rounds import FilledVersion
from .work import WorkLine

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

REPORT_EVERY = 0.2  # seconds between two lines about a running fill
Step = Callable[[Options], FilledVersion]
log = logging.getLogger(__name__)


class TemporaryFile(FileResponse):
    """A file to download, whose folder is deleted once it was sent."""

    def __init__(self, path: Path, folder: Path) -> None:
        super().__init__(path, media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream", filename=path.name)
        self._folder = folder

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the file, and delete its folder."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            shutil.rmtree(self._folder, ignore_errors=True)


class FillProgress(Response):
    """A fill, as one JSON object per line: progress, then the new version or an error. If the visitor leaves, the fill ends.

    :param prepare: returns the step to run; awaited once the fill has a place in the line.
    """

    def __init__(self, line: WorkLine, prepare: Callable[[], Any], options: Options) -> None:
        super().__init__()
        self._line, self._prepare, self._options = line, prepare, options

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run the fill and send the lines."""
        with self._line.place():
            step = await self._prepare()
            await StreamingResponse(self._lines(step), media_type="application/x-ndjson")(scope, receive, send)

    async def _lines(self, step: Step) -> AsyncIterator[str]:
        shares: list[float] = []
        work = asyncio.ensure_future(self._line.fill(step, replace(self._options, progress=shares.append)))
        try:
            while not (await asyncio.wait((work,), timeout=REPORT_EVERY))[0]:
                yield _line({"progress": shares[-1] if shares else None})
            yield _line(asdict(work.result()))
        except GiError as error:
            yield _line({"error": str(error)})
        except Exception:
            log.exception("a fill failed")
            yield _line({"error": "the server failed; its log says why"})
        finally:
            work.cancel()


def _line(value: dict[str, Any]) -> str:
    return json.dumps(value) + "\n"
