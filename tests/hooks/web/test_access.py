"""Who may use the server, and under which names uploaded files are stored."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

if find_spec("starlette") is None:
    pytest.skip("starlette is not installed: pip install 'gi-plugin[web]'", allow_module_level=True)

from gi_plugin.hooks.web.access import is_loopback
from gi_plugin.hooks.web.arriving import file_name


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("127.1.2.3", True),
        ("0.0.0.0", False),  # noqa: S104
        ("192.168.1.7", False),
        ("::", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_is_loopback(host: str, expected: bool) -> None:
    """Addresses that only this machine can reach are recognised."""
    assert is_loopback(host) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("photo.png", "photo.png"),
        ("C:\\fotos\\Straße 1.jpg", "Straße 1.jpg"),
        ("../../etc/passwd", "passwd"),
        ("..", "upload.png"),
        ("", "upload.png"),
        (None, "upload.png"),
        ("a\x00b\n.png", "a_b_.png"),
        ("写真.webp", "写真.webp"),
        ("x" * 300 + ".tiff", "x" * 60 + ".tiff"),
    ],
)
def test_file_names_are_safe(given: str | None, expected: str) -> None:
    """The last part of a name is kept, without characters that file systems refuse; an empty one is replaced."""
    assert file_name(given, "upload.png") == expected
