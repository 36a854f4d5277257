"""The commands that bring the hook to hosts: a web page, an inference server."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ..config import load_config
from .stopping import StopRequest
from .terminal import Backend, ConfigFile, Spinner, say


def export_triton(
    directory: Annotated[Path, typer.Argument(help="Model repository: folders for our models are made in it.")],
    backend: Annotated[
        str, typer.Option("--backend", help="What runs the network in the server: onnxruntime or openvino.")
    ] = "onnxruntime",
    batch: Annotated[int, typer.Option("--batch", min=1, help="Most windows per call of the network.")] = 4,
    plan: Annotated[list[Path] | None, typer.Option("--plan", help="TensorRT engine of the cache (engine.bin); may be repeated.")] = None,
    config: ConfigFile = None,
) -> None:
    """Write a model repository for NVIDIA Triton Inference Server."""
    from gi_plugin.hooks.inference_server import repository as triton_server  # noqa: PLC0415  # heavy

    from ..network_file import network_path  # noqa: PLC0415  # heavy

    plans = [triton_server.read_plan(path) for path in plan or ()]
    names = triton_server.export(directory, network_path(load_config(config).model.path), backend, batch, plans)
    say(f"wrote {', '.join(names)} to {directory}")


def ui(
    host: Annotated[str, typer.Option("--host", help="Address to listen on; any but this machine's own lets others in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 7860,
    config: ConfigFile = None,
    backend: Backend = None,
) -> None:
    """Serve a web page: load a photo, paint what is to be filled, download the result."""
    from gi_plugin.hooks.web import page as web_page  # noqa: PLC0415  # heavy

    if not web_page.is_loopback(host):
        say(f"warning: everybody who reaches {host} can use this page: it has no users and no passwords, and is not encrypted", "yellow")
    with (
        StopRequest("request") as stop,
        Spinner("starting") as progress,
        web_page.served(load_config(config, backend), host, port) as address,
    ):
        say(f"serving {address} (Ctrl-C ends it)")
        progress(f"serving {address}")
        while not stop():
            time.sleep(0.2)


COMMANDS: tuple[Callable[..., None], ...] = (export_triton, ui)
