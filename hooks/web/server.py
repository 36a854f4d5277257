"""Server of the web page and the HTTP API. It makes no connection to other machines."""

from __future__ import annotations

import secrets
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from gi_plugin.config import Config
from gi_plugin.errors import ConfigError, require

from ..calling.session import PluggedInpainter, PluginChoice
from .limits import Limits

MOST_CONNECTIONS = 1000  # further ones are refused


@contextmanager
def served(
    config: Config,
    host: str,
    port: int,
    choice: PluginChoice = PluginChoice(),  # noqa: B008  # frozen
    limits: Limits = Limits(),  # noqa: B008  # frozen
    token: str = "",
) -> Iterator[str]:
    """Serve the page and the API inside a `with` block. At its end, running requests are finished and every picture is deleted.

    :param choice: which plugins take part.
    :param token: password that every request must carry. If it is empty, none is needed at a loopback address, and one is made for others.
    :return: the address of the page, with the token if there is one.
    :raises ConfigError: if nothing can be served at this host and port.
    :raises EngineError: if no engine can run; raised at the start, before the first request.
    :raises MissingDependency: if the packages of the extra `web` are not installed.
    """
    for package in ("starlette", "uvicorn", "python_multipart"):
        require(package, "web")
    from .access import is_loopback  # noqa: PLC0415  # needs the packages

    token = token or ("" if is_loopback(host) else secrets.token_urlsafe(16))
    with (
        closing(_listening(host, port)) as listener,
        tempfile.TemporaryDirectory(prefix="gi-plugin-web-", ignore_cleanup_errors=True) as folder,
        closing(PluggedInpainter(config, choice=choice)) as inpainter,
    ):
        if inpainter.uses_ours:
            inpainter.warm_up()  # now: the first visitor does not wait, and a missing engine is an error
        with _running(inpainter, limits, token, Path(folder).resolve(), listener):
            yield _address(host, listener.getsockname()[1], token)


@contextmanager
def _running(inpainter: PluggedInpainter, limits: Limits, token: str, folder: Path, listener: socket.socket) -> Iterator[None]:
    """Run the server in a thread of its own; at the end, let it finish what it is doing."""
    import uvicorn  # noqa: PLC0415  # heavy

    from .app import make_app  # noqa: PLC0415  # needs the packages
    from .photos.reading import PhotoReader  # noqa: PLC0415
    from .photos.stored import PhotoStore  # noqa: PLC0415
    from .state import ServerState  # noqa: PLC0415
    from .work import WorkLine  # noqa: PLC0415

    photos, single = folder / "photos", folder / "single"
    for part in (photos, single):
        part.mkdir()
    reader = PhotoReader(inpainter.config.hook.max_pixels)
    with closing(WorkLine(limits.waiting)) as line:
        app = make_app(ServerState(inpainter, limits, line, PhotoStore(photos, limits), reader, single), token)
        options = {"log_level": "warning", "access_log": False, "server_header": False, "ws": "none", "http": "h11", "loop": "asyncio"}
        server = uvicorn.Server(
            uvicorn.Config(app, limit_concurrency=MOST_CONNECTIONS, timeout_graceful_shutdown=limits.grace, **options)  # type: ignore[arg-type]
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="gi-plugin http")
        thread.start()
        try:
            yield
        finally:
            server.should_exit = True
            thread.join()


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address."""
    name = host.strip("[]")
    try:
        kind, *_, address = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=kind, backlog=256)
    except OSError as error:
        raise ConfigError(
            f"nothing can be served at {host}, port {port}: the port is in use or the address belongs to no interface of this machine; "
            "try another --port or --host"
        ) from error


def _address(host: str, port: int, token: str) -> str:
    name = host if host.startswith("[") or ":" not in host else f"[{host}]"
    return f"http://{name}:{port}/" + (f"?token={quote(token)}" if token else "")
