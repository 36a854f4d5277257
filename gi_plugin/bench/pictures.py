"""Benchmark of whole pictures with our engines and other methods: how the cost grows with picture size, hole size and number of holes.

Every time is also given as a ratio to one warm call of the engine on a 512 px window with a hole of 200 px. This call alternates with the
pictures.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from statistics import median
from typing import Any

import numpy as np

from gi_plugin.train.evaluation.baselines import FillMethod, baseline

from ..arrays import Array, Bools
from ..config import Config, EngineSettings, ModelSettings
from ..errors import EngineMissing, MissingDependency
from ..image import SCAN_ROWS
from ..inpainter import Inpainter
from ..options import Options
from ..photos import cat
from ..planning import LARGE, SIZES
from ..planning.network_windows import plan_network
from .sample import noise_window
from .timing import in_fresh_process, in_turns
from .windows import candidates

OWN_PIXELS = "the network's own pixels"
OPENCV = {"telea": "OpenCV Telea", "ns": "OpenCV Navier-Stokes"}  # names of baselines, as tables show them
WINDOWED = {"biharmonic": "scikit-image biharmonic, window", "patchmatch": "PatchMatch, window"}
QUICK = "OpenCV"  # start of the names of methods that fill many holes in less than minutes
RUNS = 5  # most repetitions, because pictures take long
NOISE = 8  # grey levels of noise, so that no file format profits from the repeated tile


@dataclass(frozen=True)
class Case:
    """A 4:3 picture with square holes on a grid."""

    megapixels: float
    holes: int
    side: int  # of a hole, in pixels


BASE = Case(12, 1, 200)
GROWTH: Mapping[str, tuple[int, ...]] = {  # the values of each axis; the other two are as in BASE
    "megapixels": (1, 3, 12, 25, 50, 100),
    "side": (64, 128, 200, 256, 400, 512, 700, 1000),
    "holes": (1, 2, 4, 8, 16),
}
PHOTOS = tuple(Case(megapixels, holes, 200) for megapixels in (1, 12, 100) for holes in (1, 10))  # filled by every method
CASES = tuple(dict.fromkeys((*PHOTOS, *(replace(BASE, **{axis: value}) for axis, values in GROWTH.items() for value in values))))


@dataclass(frozen=True)
class PictureRow:
    """Result of one method on one picture; times are in seconds, of a call in a running process."""

    megapixels: float
    holes: int
    side: int
    method: str
    windows: int  # number of windows that our engines run for it
    runs: int
    median: float
    least: float
    ratio: float  # median / median of one window
    memory: int | None  # peak of a fresh process in bytes, minus an idle Python, picture, mask and result


def measure(config: Config, cases: Sequence[Case], runs: int, progress: Callable[[str], None]) -> list[PictureRow]:
    """Time the engine of the settings on every case, and the other methods on the cases in PHOTOS.

    :param progress: called with the name of what is measured.
    :raises EngineError: if no engine can be used, or one fails.
    """
    ours = Inpainter(config)
    backend = ours.engine(LARGE).backend
    others: dict[str, FillMethod] = {f"{backend}, {OWN_PIXELS}": partial(ours, detail="network"), **other_methods(config, backend)}
    for size in {*SIZES[config.hook.detail], LARGE}:
        ours.engine(size)(*noise_window(size))  # first calls are slower
    rows: list[PictureRow] = []
    for case in cases:
        progress(f"{case.megapixels:g} megapixels, {case.holes} holes of {case.side} px")
        methods = others if case in PHOTOS else {}
        if case.holes > 1:
            methods = {name: fill for name, fill in methods.items() if name.startswith(QUICK)}
        rows += _rows(case, config, ours, methods, min(runs, RUNS))
    for inpainter in (ours, *(fill for fill in others.values() if isinstance(fill, Inpainter))):
        inpainter.close()
    return rows


@lru_cache(2)
def photo(megapixels: float) -> Array:
    """Make a photo [H, W, 3] uint8 with H : W = 3 : 4: the packaged cat, repeated as tiles, with seeded noise."""
    height = round(math.sqrt(megapixels * 1e6 * 3 / 4))
    width = round(height * 4 / 3)
    tile = np.minimum(cat(), 255 - NOISE)
    picture = np.ascontiguousarray(tile[np.arange(height)[:, None] % tile.shape[0], np.arange(width) % tile.shape[1]])
    random = np.random.default_rng(0)
    for top in range(0, height, SCAN_ROWS):
        rows = picture[top : top + SCAN_ROWS]
        rows += random.integers(0, NOISE, rows.shape, dtype=np.uint8)
    return picture


def hole_of(case: Case, shape: tuple[int, ...]) -> Bools:
    """Make the mask [H, W] of a case for a picture of `shape`; True is missing."""
    hole = np.zeros(shape[:2], bool)
    columns = math.ceil(math.sqrt(case.holes))
    rows = math.ceil(case.holes / columns)
    for number in range(case.holes):
        row, column = divmod(number, columns)
        top = (2 * row + 1) * shape[0] // (2 * rows) - case.side // 2
        left = (2 * column + 1) * shape[1] // (2 * columns) - case.side // 2
        hole[top : top + case.side, left : left + case.side] = True
    return hole


def other_methods(config: Config, ours: str) -> dict[str, FillMethod]:
    """Collect every installed method to fill a picture, by name, except the engine named `ours`."""
    found: dict[str, FillMethod] = {}
    for candidate in candidates(config):
        inpainter = Inpainter(candidate)
        with suppress(EngineMissing):  # this CPU lacks the precision
            found[inpainter.engine(LARGE).backend] = inpainter
    found.pop(ours, None)
    windowed = {name: partial(_fill_windows, fill) for name, fill in installed(WINDOWED).items()}
    return {**found, **installed(OPENCV), **windowed}


def installed(names: Mapping[str, str]) -> dict[str, FillMethod]:
    """Collect the baselines whose packages are installed.

    :param names: the name of each in the tables, by its name for `baseline`.
    """
    found: dict[str, FillMethod] = {}
    for name, method in names.items():
        with suppress(MissingDependency):
            found[method] = baseline(name)
    return found


def fill_once(case: dict[str, Any], engine: dict[str, Any], network: str) -> int:
    """Fill the picture of a case in the fresh process whose memory is measured; return the bytes of picture, mask and result."""
    image = photo(case["megapixels"])
    hole = hole_of(Case(**case), image.shape)
    result: Array = Inpainter(Config(engine=EngineSettings(**engine), model=ModelSettings(network)))(image, hole)
    return image.nbytes + hole.nbytes + result.nbytes


def _fill_windows(fill: FillMethod, image: Array, hole: Bools) -> Array:
    """Run a method on the square of 512 px around each hole, because on a whole picture it takes minutes."""
    result = image.copy()
    for window in plan_network(hole):
        part = np.s_[window.top : window.top + window.side, window.left : window.left + window.side]
        result[part] = fill(result[part], hole[part])
    return result


def _rows(case: Case, config: Config, ours: Inpainter, others: Mapping[str, FillMethod], runs: int) -> Iterator[PictureRow]:
    image = photo(case.megapixels)
    hole = hole_of(case, image.shape)
    engine = ours.engine(LARGE)
    views = {window.view for window in ours.plan(hole, (hole.shape[0], hole.shape[1]), Options()).windows}
    fills: dict[str, FillMethod] = {engine.backend: ours, **others}
    calls: dict[str, Callable[[], object]] = {name: partial(fill, image, hole) for name, fill in fills.items()}
    calls["one window"] = partial(engine, *noise_window(LARGE, hole=BASE.side))
    seconds = in_turns(calls, runs)
    reference = median(seconds.pop("one window"))
    memory = _memory(case, config)
    for name, times in seconds.items():
        yield PictureRow(
            **asdict(case),
            method=name,
            windows=len(views),
            runs=runs,
            median=median(times),
            least=min(times),
            ratio=median(times) / reference,
            memory=memory if name == engine.backend else None,
        )


def _memory(case: Case, config: Config) -> int | None:
    run = in_fresh_process(fill_once, asdict(case), asdict(config.engine), config.model.path)
    return None if run.memory is None else run.memory - run.result
