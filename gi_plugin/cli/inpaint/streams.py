"""Pictures from standard input and pipes, and the result on standard output: files in between, so that every format works."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from ...errors import ConfigError, GiError, ImageError

STREAM = "-"
SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "TIFF": ".tif"}  # of formats whose names are not their suffixes


class Streams:
    """A context manager that keeps what comes from and goes to streams in temporary files, and names the streams in error messages."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._folder: Path | None = None
        self._read = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None) -> None:
        if isinstance(error, GiError):
            error.args = tuple(self.named(str(argument)) for argument in error.args)
        self._stack.close()

    def named(self, text: str) -> str:
        """Return a message with the names of streams instead of those of temporary files."""
        return text if self._folder is None else text.replace(f"{self._folder}{os.sep}", "")

    def source(self, path: Path) -> Path:
        """Return a file with what a stream holds; other paths as they are.

        :raises ConfigError: if standard input is a terminal, or is named twice.
        :raises ImageError: if the stream is empty.
        """
        if str(path) != STREAM and not path.is_fifo():
            return path
        data = path.read_bytes() if str(path) != STREAM else self._standard_input()
        if not data:
            raise ImageError(f"{path}: nothing came from this stream: expected a picture")
        file = self._file("stdin" if str(path) == STREAM else path.name)
        file.write_bytes(data)
        return file.rename(file.with_name(f"{file.name}{_suffix_of(file)}"))

    def target(self, image: Path) -> Path:
        """Return the file for a result that goes to standard output, in the format of the picture if that is lossless.

        :raises ConfigError: if standard output is a terminal.
        """
        from ...files import output_name  # noqa: PLC0415  # heavy

        if sys.stdout.isatty():
            raise ConfigError("--output - writes the picture to standard output, which is a terminal: redirect it, or name a file")
        return self._file(f"stdout{Path(output_name(image)).suffix}")

    def send(self, file: Path) -> None:
        """Write a file to standard output."""
        sys.stdout.buffer.write(file.read_bytes())
        sys.stdout.buffer.flush()

    def _standard_input(self) -> bytes:
        if self._read or sys.stdin.isatty():
            problem = "can be read only once" if self._read else "is a terminal"
            raise ConfigError(f"- stands for standard input, which {problem}: name a file")
        self._read = True
        return sys.stdin.buffer.read()

    def _file(self, name: str) -> Path:
        if self._folder is None:
            self._folder = Path(self._stack.enter_context(TemporaryDirectory(prefix="gi-plugin-")))
        return self._folder / name


def _suffix_of(file: Path) -> str:
    """Return the suffix of a picture's format; empty if Pillow does not know it."""
    from ...files.opening import open_image  # noqa: PLC0415  # heavy

    try:
        with open_image(file) as opened:
            kind = opened.format or ""
    except (OSError, SyntaxError):  # what is no picture is reported when it is read
        return ""
    return SUFFIXES.get(kind, f".{kind.lower()}")
