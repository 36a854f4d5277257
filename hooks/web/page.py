"""Server of the web page: load a photo, paint the hole, fill it. It makes no connection to other machines."""

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
from gi_plugin.planning import SIZES

from ..calling.session import PluggedInpainter, PluginChoice

if TYPE_CHECKING:
    import gradio

MAX_UPLOAD = "300mb"  # size limit of an uploaded file
MAX_SESSIONS = 200  # open pages whose state is kept
FONTS = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")  # fonts of the visitor's machine: no download


def is_loopback(host: str) -> bool:
    """Return True if only this machine can open a page at this address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


@contextmanager
def served(config: Config, host: str, port: int, choice: PluginChoice = PluginChoice()) -> Iterator[str]:  # noqa: B008  # frozen
    """Serve the page inside a `with` block, and delete every picture at its end.

    :param choice: which plugins take part.
    :return: the address of the page.
    :raises ConfigError: if the page cannot be served at this host and port.
    :raises EngineError: if no engine can run; raised at the start, before the first visitor.
    :raises MissingDependency: if Gradio is not installed.
    """
    with (
        tempfile.TemporaryDirectory(prefix="gi-plugin-ui-", ignore_cleanup_errors=True) as name,
        closing(PluggedInpainter(config, choice=choice)) as inpainter,
    ):
        folder = Path(name).resolve()
        _prepare(folder, host)
        require("gradio", "ui")
        from . import layout as web_layout  # noqa: PLC0415  # after _prepare: Gradio reads its settings when it is imported

        windows = SIZES[inpainter.config.hook.detail] if inpainter.uses_ours else ()
        for window in windows:  # compile now: the first visitor does not wait, and a missing engine is an error
            inpainter.engine(window)
        with ThreadPoolExecutor(1, "gi-plugin page") as worker:
            page = web_layout.build(inpainter, folder, worker)
            try:
                yield _launch(page, host, port)
            finally:
                page.close(verbose=False)


def _prepare(folder: Path, host: str) -> None:
    """Set the environment variables that configure Gradio."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    for variable in ("no_proxy", "NO_PROXY"):  # at its start Gradio requests its own page, which must not go through a proxy
        os.environ[variable] = ",".join(filter(None, (os.environ.get(variable), "localhost", "127.0.0.1", "::1", host)))


def _launch(page: gradio.Blocks, host: str, port: int) -> str:
    """Start the server in background threads and return the address of the page."""
    import gradio  # noqa: PLC0415  # heavy
    from starlette.middleware import Middleware  # noqa: PLC0415  # comes with gradio

    from .gate import Gate  # noqa: PLC0415

    sans, mono = FONTS
    try:
        _, address, _ = page.launch(
            server_name=host,
            server_port=port,
            max_file_size=MAX_UPLOAD,
            state_session_capacity=MAX_SESSIONS,
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
            f"the page cannot be served at {host}, port {port}: the port is in use or the address belongs to no interface of this machine; "
            "try another --port or --host"
        ) from error
    return str(address)
