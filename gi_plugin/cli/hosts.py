"""The commands for hosts: serve a web page, export models for an inference server."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from ..config import load_config
from .plugin_options import NoPlugins, Plugin, choice_of
from .stopping import StopRequest
from .terminal import Backend, ConfigFile, Spinner, say


def export_triton(
    directory: Annotated[Path, typer.Argument(help="Model repository; one folder per model is created in it.")],
    backend: Annotated[
        str, typer.Option("--backend", help="Server backend that runs the network: onnxruntime or openvino.")
    ] = "onnxruntime",
    batch: Annotated[int, typer.Option("--batch", min=1, help="Largest number of windows per call of the network.")] = 4,
    plan: Annotated[list[Path] | None, typer.Option("--plan", help="TensorRT engine from the cache (engine.bin); may be repeated.")] = None,
    config: ConfigFile = None,
) -> None:
    """Write a model repository for NVIDIA Triton Inference Server."""
    from gi_plugin.hooks.inference_server import repository as triton_server  # noqa: PLC0415  # heavy

    from ..network_file import network_path  # noqa: PLC0415  # heavy

    plans = [triton_server.read_plan(path) for path in plan or ()]
    names = triton_server.export(directory, network_path(load_config(config).model.path), backend, batch, plans)
    say(f"wrote {', '.join(names)} to {directory}")


def ui(
    host: Annotated[
        str, typer.Option("--host", help="Address to listen on; other machines can connect unless it is a loopback address.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")] = 7860,
    config: ConfigFile = None,
    backend: Backend = None,
    plugin: Plugin = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Serve a web page on which a user loads a photo, paints the hole and downloads the result."""
    from gi_plugin.hooks.web import page as web_page  # noqa: PLC0415  # heavy

    if not web_page.is_loopback(host):
        say(f"warning: everybody who can reach {host} can use this page; it has no passwords and no encryption", "yellow")
    with (
        StopRequest("request") as stop,
        Spinner("starting") as progress,
        web_page.served(load_config(config, backend), host, port, choice_of(plugin, no_plugins)) as address,
    ):
        say(f"serving {address} (Ctrl-C stops it)")
        progress(f"serving {address}")
        while not stop():
            time.sleep(0.2)


COMMANDS: tuple[Callable[..., None], ...] = (export_triton, ui)
