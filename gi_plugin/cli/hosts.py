"""The commands for hosts: serve a web page, export models for an inference server."""

from __future__ import annotations

import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config import Config, load_config
from .plugin_options import NoPlugins, Plugin, choice_of
from .stopping import StopRequest
from .terminal import Backend, ConfigFile, Spinner, say

if TYPE_CHECKING:
    from gi_plugin.hooks.calling.session import PluginChoice
    from gi_plugin.hooks.web.limits import Limits

Host = Annotated[str, typer.Option("--host", help="Address to listen on; if other machines can reach it, a token is needed.")]
Port = Annotated[int, typer.Option("--port", min=1, max=65535, help="Port to listen on.")]
Token = Annotated[
    str,
    typer.Option(
        "--token",
        envvar="GI_PLUGIN_TOKEN",
        help="Password that every request must carry (default: none on a loopback address, else a new one).",
    ),
]


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
    host: Host = "127.0.0.1",
    port: Port = 7860,
    token: Token = "",
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    config: ConfigFile = None,
    backend: Backend = None,
    plugin: Plugin = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Serve a web page on which a user loads a photo, paints the hole and downloads the result."""
    from gi_plugin.hooks.web.limits import Limits  # noqa: PLC0415  # heavy

    _serve(host, port, token, Limits(), load_config(config, backend), choice_of(plugin, no_plugins), open_page=open_page)


def serve(
    host: Host = "127.0.0.1",
    port: Port = 7860,
    token: Token = "",
    upload: Annotated[int, typer.Option("--upload", min=1, help="Longest request, in MB.")] = 300,
    waiting: Annotated[int, typer.Option("--waiting", min=0, help="Requests that may wait; further ones are refused (503).")] = 32,
    seconds: Annotated[float, typer.Option("--seconds", min=1, help="Longest time of one fill, and of the arrival of a request.")] = 300,
    config: ConfigFile = None,
    backend: Backend = None,
    plugin: Plugin = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Serve an HTTP API for other programs, and the web page."""
    from gi_plugin.hooks.web.limits import MEGABYTE, Limits  # noqa: PLC0415  # heavy

    limits = Limits(upload=upload * MEGABYTE, waiting=waiting, seconds=seconds)
    _serve(host, port, token, limits, load_config(config, backend), choice_of(plugin, no_plugins))


def _serve(host: str, port: int, token: str, limits: Limits, config: Config, choice: PluginChoice, *, open_page: bool = False) -> None:
    """Serve until a signal comes."""
    from gi_plugin.hooks.web import server as web_server  # noqa: PLC0415  # heavy

    with (
        StopRequest("request") as stop,
        Spinner("starting") as progress,
        web_server.served(config, host, port, choice, limits, token) as address,
    ):
        if "?token=" in address:
            say("the token is part of the address: whoever knows it can use the server; nothing is encrypted", "yellow")
        say(f"serving {address} (Ctrl-C stops it)")
        progress(f"serving {address}")
        if open_page:
            webbrowser.open(address)
        while not stop():
            time.sleep(0.2)


COMMANDS: tuple[Callable[..., None], ...] = (export_triton, ui, serve)
