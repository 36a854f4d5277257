"""The web page in Gradio's terms: what stands where, and which step of the work a button starts."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from pathlib import Path
from typing import Any, TypeVar

import gradio as gr
from PIL import Image

from gi_plugin.errors import GiError
from gi_plugin.inpainter import Inpainter

from . import photo as web_photo
from .photo import Photo

KEPT, SWEPT = 3600, 300  # seconds for which files stay that are not in use, and between two looks for such files
WAITING = 32  # requests that wait for their turn, at most; one is worked on, which is what bounds the memory
WORK: dict[str, Any] = {"concurrency_id": "work", "concurrency_limit": 1}
HELP = """### Fill the holes of a photo
Load a photo, paint over what is to be filled, press *Fill*. Known pixels stay as they are.
"""
Values = tuple[Any, ...]
Result = TypeVar("Result")


class _Work:
    """What the buttons do; everything that belongs to a visit is in its arguments."""

    def __init__(self, inpainter: Inpainter, folder: Path, worker: Executor) -> None:
        self._inpainter, self._folder, self._worker = inpainter, folder, worker

    def load(self, path: str | None) -> tuple[Photo, Image.Image]:
        if path is None:
            raise _error("there is no photo: load one first")
        return self._show(Photo(Path(path), Path(path).name))

    def fill(self, photo: Photo | None, painting: dict[str, Any] | None) -> Values:
        if photo is None:
            raise _error("there is no photo: load one first")
        layers = painting["layers"] if painting else []
        made = self._told(web_photo.fill, photo, layers, self._inpainter, self._folder)
        ready = gr.Button(interactive=True)
        return made.photo, made.shown, made.attention, made.report, ready, _download(made.download), _download(made.mask)

    def go_on(self, filled: Photo | None) -> tuple[Photo, Image.Image]:
        if filled is None:
            raise _error("there is no result: fill a photo first")
        return self._show(filled)

    def _show(self, photo: Photo) -> tuple[Photo, Image.Image]:
        return photo, self._told(web_photo.show, photo, self._inpainter.config.hook.max_pixels)

    def _told(self, step: Callable[..., Result], *arguments: Any) -> Result:
        """Run a step where all of them run; show the visitor what we raise on purpose."""
        try:
            return self._worker.submit(step, *arguments).result()
        except GiError as error:
            raise _error(str(error)) from error


def build(inpainter: Inpainter, folder: Path, worker: Executor) -> gr.Blocks:
    """The page.

    :param folder: the server's folder for uploaded files; results go into new folders in it.
    :param worker: runs the work, in one thread: each thread that did some would keep memory for itself.
    """
    work = _Work(inpainter, folder, worker)
    page = gr.Blocks(title="gi-plugin", analytics_enabled=False, fill_width=True, delete_cache=(SWEPT, KEPT))
    with page:
        gr.Markdown(HELP)
        photo, filled = gr.State(), gr.State()
        with gr.Row():
            with gr.Column():
                upload = gr.File(label="Photo", height=150)
                editor = _editor()
                with gr.Row():
                    fill = gr.Button("Fill", variant="primary")
                    again = gr.Button("Go on with the result", interactive=False)
            with gr.Column():
                shown = _picture("Result")
                report = gr.Markdown()
                with gr.Row():
                    download = gr.DownloadButton("Download", interactive=False)
                    mask = gr.DownloadButton("Download the mask", interactive=False)
                attention = _picture("Where the network looked: the colour is the direction of the best match, pale is near")
        results = [filled, shown, attention, report, again, download, mask]
        everything = [photo, editor, *results]
        upload.clear(_empty, None, everything, api_visibility="private")
        emptied = upload.upload(
            _empty, None, everything, api_visibility="private"
        )  # first: a photo that cannot be read leaves nothing behind
        emptied.then(work.load, upload, [photo, editor], api_name="load", show_progress_on=editor, **WORK)
        fill.click(work.fill, [photo, editor], results, api_name="fill", show_progress_on=shown, **WORK)
        # Gradio 6.31's editor often stays unusable when a photo takes the place of another: it is emptied in between
        blank = again.click(lambda: None, None, editor, api_visibility="private", show_progress="hidden")
        blank.then(work.go_on, filled, [photo, editor], api_name="go_on", show_progress_on=editor, **WORK)
    page.queue(max_size=WAITING, default_concurrency_limit=1, api_open=False)
    return page


def _error(text: str) -> gr.Error:
    """What a visitor is told; for the server's log it is nothing."""
    return gr.Error(text, duration=30, print_exception=False)


def _editor() -> gr.ImageEditor:
    brush = gr.Brush(default_size=24, colors=["#ff2d55"], color_mode="fixed")
    return gr.ImageEditor(
        label="Paint what is to be filled",
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
