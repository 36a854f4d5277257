"""The whole command `gi-plugin inpaint` from a cold process, beside a process that only opens the engine and runs one window."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

from PIL import Image

from ..config import Config
from ..errors import EngineError
from ..planning import LARGE
from . import pictures
from .pictures import Case
from .timing import Fresh, in_turns
from .windows import from_cold

RUNS = 5  # turns at most
FORMATS = ("png", "jpg")  # of results; pictures come as JPEG


@dataclass(frozen=True)
class CommandRow:
    """One command line on one picture file; times are medians in seconds."""

    megapixels: float
    holes: int
    side: int
    result: str  # the result's format
    runs: int
    median: float  # of the whole process
    least: float
    engine: float  # engine from the cache + first call on one window, in a fresh process that takes turns with the commands
    ratio: float  # median / engine
    process: float  # the whole of that fresh process: with the start and the end of Python, and the imports
    process_ratio: float  # median / process


def measure(case: Case, config: Config, config_file: Path | None, runs: int, progress: Callable[[str], None]) -> list[CommandRow]:
    """Fill the picture of a case by `gi-plugin inpaint`, once per format of the result and turn.

    :param config_file: where `config` was read from, if the command line named a file.
    :raises EngineError: if a command fails.
    """
    runs = min(runs, RUNS)
    alone: list[Fresh] = []
    progress(f"gi-plugin inpaint, {case.megapixels:g} megapixels")
    with tempfile.TemporaryDirectory() as folder:
        image, mask = _files(case, Path(folder))
        settings = ("--config", str(config_file)) if config_file else ()
        commands = {kind: ("inpaint", image, mask, "-o", f"{folder}/result.{kind}", *settings) for kind in FORMATS}
        calls = {kind: partial(_run, arguments) for kind, arguments in commands.items()}
        seconds = in_turns({"engine": lambda: alone.append(from_cold(config, LARGE, case.side)), **calls}, runs)
    engine = median(fresh.result["opened"] + fresh.result["first"] for fresh in alone)
    process = median(fresh.seconds for fresh in alone)
    return [
        CommandRow(
            **asdict(case),
            result=kind,
            runs=runs,
            median=median(seconds[kind]),
            least=min(seconds[kind]),
            engine=engine,
            ratio=median(seconds[kind]) / engine,
            process=process,
            process_ratio=median(seconds[kind]) / process,
        )
        for kind in FORMATS
    ]


def _files(case: Case, folder: Path) -> tuple[str, str]:
    picture = pictures.photo(case.megapixels)
    image, mask = str(folder / "photo.jpg"), str(folder / "mask.png")
    Image.fromarray(picture).save(image, quality=95)
    Image.fromarray(pictures.hole_of(case, picture.shape)).save(mask)
    return image, mask


def _run(arguments: Sequence[str]) -> None:
    command = [sys.executable, "-P", "-m", "gi_plugin", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # our own command
    if done.returncode:
        raise EngineError(f"gi-plugin inpaint failed in the bench: {done.stderr.strip()}")
