"""Layout of the web page in Gradio: its components, and the function that each button calls."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from PIL import Image

from gi_plugin.config import Detail
from gi_plugin.errors import GiError
from gi_plugin.inpainter import Inpainter

from . import photo as web_photo
from .photo import Photo

MAX_AGE, CLEAN_INTERVAL = 3600, 300  # seconds: unused files older than MAX_AGE are deleted every CLEAN_INTERVAL
MAX_WAITING = 32  # length of the queue; one request is processed at a time, which bounds the memory
WORK: dict[str, Any] = {"concurrency_id": "work", "concurrency_limit": 1}
HELP = """### Fill the holes of a photo
Load a photo, paint over the part to fill, press *Fill*. Known pixels stay as they are.
"""
DETAILS: list[tuple[str, Detail]] = [("the photo", "transfer"), ("the network", "network")]  # label on the page, option
Values = tuple[Any, ...]
StepResult = TypeVar("StepResult")


class _Work:
    """Functions behind the buttons. They keep no state of a visit: all of it is in their arguments."""

    def __init__(self, inpainter: Inpainter, folder: Path, worker: Executor) -> None:
        self._inpainter, self._folder, self._worker = inpainter, folder, worker

    def load(self, path: str | None) -> tuple[Photo, Image.Image]:
        if path is None:
            raise _error("there is no photo: load one first")
        return self._show(Photo(Path(path), Path(path).name))

    def fill(self, photo: Photo | None, painting: dict[str, Any] | None, detail: Detail, seed: int | None) -> Values:
        if photo is None:
            raise _error("there is no photo: load one first")
        layers = painting["layers"] if painting else []
        result = self._run(web_photo.fill, photo, layers, self._inpainter, self._folder, detail=detail, seed=seed or 0)
        ready = gr.Button(interactive=True)
        return result.photo, result.shown, result.sources, result.report, ready, _download(result.download), _download(result.mask)

    def go_on(self, filled: Photo | None) -> tuple[Photo, Image.Image]:
        if filled is None:
            raise _error("there is no result: fill a photo first")
        return self._show(filled)

    def _show(self, photo: Photo) -> tuple[Photo, Image.Image]:
        return photo, self._run(web_photo.show, photo, self._inpainter.config.hook.max_pixels)

    def _run(self, step: Callable[..., StepResult], *arguments: Any, **options: Any) -> StepResult:
        """Run a step in the worker thread; show our own errors to the visitor."""
        try:
            return self._worker.submit(step, *arguments, **options).result()
        except GiError as error:
            raise _error(str(error)) from error


def build(inpainter: Inpainter, folder: Path, worker: Executor) -> gr.Blocks:
    """Build the page.

    :param folder: the server's folder for uploaded files; results go into new folders inside it.
    :param worker: runs every step in one thread; with several threads, each would keep its own memory.
    """
    work = _Work(inpainter, folder, worker)
    page = gr.Blocks(title="gi-plugin", analytics_enabled=False, fill_width=True, delete_cache=(CLEAN_INTERVAL, MAX_AGE))
    with page:
        gr.Markdown(HELP)
        photo, filled = gr.State(), gr.State()
        with gr.Row():
            with gr.Column():
                upload = gr.File(label="Photo", height=150)
                editor = _editor()
                with gr.Row():
                    detail = gr.Radio(DETAILS, value=inpainter.config.hook.detail, label="Pixels from")
                    seed = gr.Number(0, label="Another number gives another result", precision=0, minimum=0, maximum=2**31 - 1)
                with gr.Row():
                    fill = gr.Button("Fill", variant="primary")
                    again = gr.Button("Go on with the result", interactive=False)
            with gr.Column():
                shown = _picture("Result")
                report = gr.Markdown()
                with gr.Row():
                    download = gr.DownloadButton("Download", interactive=False)
                    mask = gr.DownloadButton("Download the mask", interactive=False)
                sources = _picture("Where the pixels came from: the colour is the direction, pale means near")
        results = [filled, shown, sources, report, again, download, mask]
        everything = [photo, editor, *results]
        upload.clear(_empty, None, everything, api_visibility="private")
        # The page is emptied first, so that after an unreadable photo nothing of the previous one is left.
        emptied = upload.upload(_empty, None, everything, api_visibility="private")
        emptied.then(work.load, upload, [photo, editor], api_name="load", show_progress_on=editor, **WORK)
        fill.click(work.fill, [photo, editor, detail, seed], results, api_name="fill", show_progress_on=shown, **WORK)
        # Gradio 6.31's editor often becomes unusable when one photo replaces another, so it is emptied in between.
        blank = again.click(lambda: None, None, editor, api_visibility="private", show_progress="hidden")
        blank.then(work.go_on, filled, [photo, editor], api_name="go_on", show_progress_on=editor, **WORK)
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=1, api_open=False)
    return page


def _error(text: str) -> gr.Error:
    """An error for the visitor; it is not written to the server's log."""
    return gr.Error(text, duration=30, print_exception=False)


def _editor() -> gr.ImageEditor:
    brush = gr.Brush(default_size=24, colors=["#ff2d55"], color_mode="fixed")
    return gr.ImageEditor(
        label="Paint the part to fill",
        type="pil",
        format="png",
        sources=(),
        transforms=(),
        layers=False,
        brush=brush,
        height=560,
        buttons=["fullscreen"],
        placeholder="the photo appears here",
    )


def _picture(label: str) -> gr.Image:
    return gr.Image(label=label, format="png", buttons=["fullscreen"], interactive=False)


def _download(path: Path) -> gr.DownloadButton:
    return gr.DownloadButton(value=path, interactive=True)


def _empty() -> Values:
    off = gr.Button(interactive=False)
    return None, None, None, None, None, "", off, gr.DownloadButton(interactive=False), gr.DownloadButton(interactive=False)
