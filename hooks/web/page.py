"""The web page: load a photo, paint the hole, get it filled. What it serves stays on this machine; it asks nothing of any other."""

from __future__ import annotations

import ipaddress
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from gi_plugin.config import Config
from gi_plugin.errors import ConfigError, require
from gi_plugin.inpainter import Inpainter
from gi_plugin.planning import SIZES

if TYPE_CHECKING:
    import gradio

UPLOAD = "300mb"  # largest file that is taken
VISITS = 200  # pages whose state is remembered
FONTS = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")  # of the visitor's machine: nothing is fetched


def is_loopback(host: str) -> bool:
    """Whether a page on this address can be opened from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@contextmanager
def served(config: Config, host: str, port: int) -> Iterator[str]:
    """Serve the page while the context lasts, and delete every picture afterwards.

    :return: its address.
    :raises ConfigError: if the page cannot be served there.
    :raises EngineError: if no engine can run: told now rather than to the first visitor.
    :raises MissingDependency: if Gradio is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="gi-plugin-ui-", ignore_cleanup_errors=True) as name, closing(Inpainter(config)) as inpainter:
        folder = Path(name).resolve()
        _prepare(folder, host)
        require("gradio", "ui")
        from . import layout as web_layout  # noqa: PLC0415  # after the settings that Gradio reads when it is imported

        for window in SIZES[inpainter.config.hook.detail]:  # compiled now, not while the first visitor waits; without an engine, told now
            inpainter.engine(window)
        with ThreadPoolExecutor(1, "gi-plugin page") as worker:
            page = web_layout.build(inpainter, folder, worker)
            try:
                yield _launch(page, host, port)
            finally:
                page.close(verbose=False)


def _prepare(folder: Path, host: str) -> None:
    """Settings that Gradio takes from the environment."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    for variable in ("no_proxy", "NO_PROXY"):  # Gradio calls its own page at the start, which must not go through a proxy
        os.environ[variable] = ",".join(filter(None, (os.environ.get(variable), "localhost", "127.0.0.1", "::1", host)))


def _launch(page: gradio.Blocks, host: str, port: int) -> str:
    """Start the server in threads of its own: the address of the page."""
    import gradio  # noqa: PLC0415  # heavy
    from starlette.middleware import Middleware  # noqa: PLC0415  # comes with gradio

    from .gate import Gate  # noqa: PLC0415

    sans, mono = FONTS
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            max_file_size=UPLOAD,
            state_session_capacity=VISITS,
            theme=gradio.themes.Default(font=sans, font_mono=mono),
            app_kwargs={"middleware": [Middleware(Gate)]},
            share=False,
            ssr_mode=False,
            run_history=False,
            enable_monitoring=False,
            num_workers=0,
            footer_links=[],
            prevent_thread_lock=True,
            quiet=True,
        )
    except OSError as error:
        raise ConfigError(
            f"the page cannot be served at {host}, port {port}: it is taken, or not of this machine; try another --port"
        ) from error
    return str(address)
