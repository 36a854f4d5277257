"""Benchmark of the command `gi-plugin inpaint` from process start, compared with a process that only runs one window."""

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
from .timing import FreshRun, in_turns
from .windows import from_cold

RUNS = 5  # most repetitions
FORMATS = ("png", "jpg")  # of the result; the input is a JPEG


@dataclass(frozen=True)
class CommandRow:
    """Times of one command line on one picture file, in seconds."""

    megapixels: float
    holes: int
    side: int
    result: str  # format of the result
    runs: int
    median: float  # of the whole process
    least: float  # of the whole process
    engine: float  # median of loading the engine from the cache + its first call on one window, in a fresh process
    ratio: float  # median / engine
    process: float  # median of that whole fresh process, including the start of Python and the imports
    process_ratio: float  # median / process


def measure(case: Case, config: Config, config_file: Path | None, runs: int, progress: Callable[[str], None]) -> list[CommandRow]:
    """Time `gi-plugin inpaint` on the picture of a case, for each format of the result. All commands alternate.

    :param config_file: the file that `config` was read from, if the command line named one.
    :param progress: called with the name of what is measured.
    :raises EngineError: if a command fails.
    """
    runs = min(runs, RUNS)
    alone: list[FreshRun] = []
    progress(f"gi-plugin inpaint, {case.megapixels:g} megapixels")
    with tempfile.TemporaryDirectory() as folder:
        image, mask = _files(case, Path(folder))
        settings = ("--config", str(config_file)) if config_file else ()
        commands = {kind: ("inpaint", image, mask, "-o", f"{folder}/result.{kind}", *settings) for kind in FORMATS}
        calls = {kind: partial(_run, arguments) for kind, arguments in commands.items()}
        seconds = in_turns({"engine": lambda: alone.append(from_cold(config, LARGE, case.side)), **calls}, runs)
    engine = median(run.result["opened"] + run.result["first"] for run in alone)
    process = median(run.seconds for run in alone)
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
        raise EngineError(f"gi-plugin inpaint failed in the benchmark: {done.stderr.strip()}")
