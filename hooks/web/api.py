"""The HTTP API: fill one picture per request, tell whether the server runs, describe itself."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gi_plugin import files
from gi_plugin.errors import NO_MASK, ConfigError, GiError
from gi_plugin.folder_run import steps
from gi_plugin.folder_run.jobs import Job
from gi_plugin.folder_run.steps import Outcome
from gi_plugin.inpainter import Inpainter
from gi_plugin.options import Options, nearest
from gi_plugin.version import VERSION

from . import openapi
from .answers import TemporaryFile
from .arriving import file_name, in_time, options_of, unless_left
from .state import ServerState, state_of

FLAGS = {"true": True, "1": True, "false": False, "0": False, "": False}


async def inpaint(request: Request) -> Response:
    """Fill the picture of a multipart request."""
    state = state_of(request)
    with state.line.place():
        async with in_time(state.limits.seconds):
            form = await request.form(max_files=2, max_fields=len(openapi.FIELDS))
        try:
            return await _filled(request, form, state)
        finally:
            await form.close()


async def _filled(request: Request, form: FormData, state: ServerState) -> Response:
    _check_fields(form)
    options, folder = _options(form, state.limits.seconds), Path(tempfile.mkdtemp(dir=state.folder))
    try:
        outcome = await unless_left(request, state.line.fill(lambda given: _fill(form, folder, state.inpainter, given), options))
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    answer = TemporaryFile(outcome.job.output, folder)
    if outcome.work is not None:
        answer.headers["X-Filled-Pixels"] = str(outcome.work.pixels)
    if notes := [_for_clients(note, folder) for note in outcome.notes]:
        answer.headers["X-Notes"] = quote("; ".join(notes), safe=" ,;:/()'")
    return answer


async def health(request: Request) -> Response:
    """Tell that the server runs."""
    state = state_of(request)
    return JSONResponse({"status": "ok", "version": VERSION, "in_line": state.line.length, "places": state.line.places})


async def describe(request: Request) -> Response:
    """Describe the API in the form of OpenAPI."""
    return JSONResponse(openapi.describe(state_of(request).limits))


def _fill(form: FormData, folder: Path, inpainter: Inpainter, options: Options) -> Outcome:
    """Fill the picture of a form; runs in the worker thread."""
    image = _saved(form, "image", folder / "in", "picture.png")
    mask = _saved(form, "mask", folder / "mask", "mask.png") if form.get("mask") else None
    kind = str(form.get("format") or "")
    suffix = f".{kind.lstrip('.').lower()}" if kind else Path(files.output_name(image)).suffix
    job = Job(image, mask, folder / "out" / f"{image.stem}-filled{suffix}", found=mask is None)
    try:
        return steps.fill_file(job, inpainter, options)
    except GiError as error:
        error.args = (_for_clients(str(error), folder),)
        raise


def _saved(form: FormData, field: str, folder: Path, otherwise: str) -> Path:
    file = form[field]
    assert isinstance(file, UploadFile)  # noqa: S101  # `_check_fields`
    path = folder / file_name(file.filename, otherwise)
    folder.mkdir()
    with path.open("wb") as target:
        shutil.copyfileobj(file.file, target)
    return path


def _check_fields(form: FormData) -> None:
    for name in form:
        if name not in openapi.FIELDS:
            raise ConfigError(f"there is no field {name!r}: {nearest(name, openapi.FIELDS)}")
    for name in ("image", "mask"):
        if name in form and not isinstance(form[name], UploadFile):
            raise ConfigError(f"the field {name!r} is text: expected a file, with a file name (curl: -F {name}=@picture.png)")
    if "image" not in form:
        raise ConfigError("there is no field 'image': send the picture as multipart/form-data (curl: -F image=@picture.png)")


def _options(form: FormData, deadline: float) -> Options:
    return replace(
        options_of({name: value for name, value in form.items() if value != ""}, deadline),
        invert_mask=_flag(form, "invert_mask"),
        mask_alpha=_flag(form, "mask_alpha"),
    )


def _flag(form: FormData, name: str) -> bool:
    text = str(form.get(name, "")).lower()
    if text not in FLAGS:
        raise ConfigError(f"{name} = {text!r}: expected true or false")
    return FLAGS[text]


def _for_clients(text: str, folder: Path) -> str:
    """Write a message for clients: without the server's folders, with the values of fields, and with the field of a missing mask."""
    for part in ("in", "mask", "out"):
        text = text.replace(f"{folder / part}/", "")
    text = re.sub(r"\b(mask_alpha|invert_mask)=(True|False)", lambda found: found[0].lower(), text)
    return text.replace(NO_MASK, f"{NO_MASK}: send a mask in the field 'mask'")
