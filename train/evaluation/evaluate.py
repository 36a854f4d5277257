"""Score inpainting methods on the same pictures and seeded holes, and draw contact sheets. Interrupted runs can be continued."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gi_plugin.arrays import Bools, Bytes, Floats
from gi_plugin.errors import ConfigError
from gi_plugin.files.sheet import sheet

from ..data import masks
from ..data.pictures import Source, decode, find_pictures
from . import metrics
from .baselines import FillMethod
from .features import FeatureNetwork, feature_distance, kernel_distance, pooled

SIZE = 256  # side of the crops, as in the paper
MASK_SETS = {"center": SIZE, "random": SIZE, "freeform": SIZE, "center512": 512}  # side of the crops of each set
PAPER_SETS = ("center", "random", "freeform")  # of the size that the paper uses
CENTER_512 = 224  # side of the hole in the middle of 512 px: fewer pixels than half the side would make
AREA_BINS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4))  # share of the crop that a free-form hole covers
RESULTS = "scores.jsonl"
SHEET_ROWS = 20  # at most


@dataclass(frozen=True)
class EvaluationCase:
    """One crop of a picture with one hole."""

    picture: str
    mask_set: str
    image: Bytes  # [S, S, 3]
    hole: Bools  # [S, S], True = missing


@dataclass(frozen=True)
class ScoreRow:
    """Mean scores of one method on one mask set."""

    method: str
    mask_set: str
    pictures: int  # number of pictures
    scores: metrics.Scores
    feature_distance: float | None = None  # the judge's two columns; None without a judge
    kernel_distance: float | None = None


@dataclass(frozen=True)
class CaseResult:
    """Scores of one method on one case, and the judge's view of it."""

    scores: metrics.Scores
    feature_distance: float | None = None
    pooled: tuple[Floats, Floats] | None = None  # features of fill and original over the hole, for the kernel distance

    @classmethod
    def parse(cls, values: list[Any]) -> CaseResult:
        """Read what `values` wrote."""
        scores, distance, pooled = (*values, None, None)[:3]
        pair = None if pooled is None else (np.array(pooled[0], np.float32), np.array(pooled[1], np.float32))
        return cls(metrics.Scores(**scores), distance, pair)

    def values(self) -> list[Any]:
        """The result, ready for JSON."""
        pooled = None if self.pooled is None else [[round(float(value), 5) for value in part] for part in self.pooled]
        return [asdict(self.scores), self.feature_distance, pooled]


def evaluate(
    data: Sequence[Path],
    mask_sets: Sequence[str],
    methods: Mapping[str, FillMethod],
    folder: Path,
    progress: Callable[[str, int, int], None],
    limit: int = 0,
    judge: FeatureNetwork | None = None,
) -> list[ScoreRow]:
    """Score methods on the centre crops of all pictures; results that `folder` already contains are not computed again.

    :param methods: fill methods by name; they receive the picture with a blanked hole, never the original.
    :param folder: receives one line per result, in scores.jsonl.
    :param progress: called with a text, the number of the case and the number of cases, before each fill.
    :param limit: number of pictures to use, 0 for all.
    :param judge: adds the feature and the kernel distance.
    :raises ConfigError: if a mask set is unknown or no picture is large enough.
    """
    unknown = [name for name in mask_sets if name not in MASK_SETS]
    if unknown:
        raise ConfigError(f"unknown mask set {unknown[0]!r}: expected {', '.join(MASK_SETS)}")
    folder.mkdir(parents=True, exist_ok=True)
    sources = [source for path in data for source in find_pictures(path)][: limit or None]
    done = _read_results(folder / RESULTS)
    wanted = set()
    total = len(sources) * len(mask_sets)
    with (folder / RESULTS).open("a", encoding="utf-8") as results:
        for number, case in enumerate(_cases(sources, mask_sets), 1):
            for name, fill in methods.items():
                key = (case.picture, case.mask_set, name)
                wanted.add(key)
                if key not in done or (judge is not None and done[key].pooled is None):
                    progress(f"{name}, {case.mask_set}, {Path(case.picture).name}", number, total)
                    done[key] = _score(case, fill, judge)
                    results.write(json.dumps([*key, *done[key].values()]) + "\n")
                    results.flush()
    if not wanted:
        raise ConfigError(f"no readable picture of at least {SIZE} x {SIZE} px in {', '.join(map(str, data))}")
    return _rows({key: done[key] for key in done if key in wanted}, mask_sets, list(methods))


def draw_sheet(data: Sequence[Path], mask_set: str, methods: Mapping[str, FillMethod], path: Path) -> None:
    """Draw a contact sheet of up to 20 pictures, chosen evenly from the data.

    Each row shows the input, the result of every method, and the original.
    """
    sources = [source for folder in data for source in find_pictures(folder)]
    chosen = [sources[index] for index in np.unique(np.linspace(0, len(sources) - 1, SHEET_ROWS).astype(int))]
    rows = []
    for case in _cases(chosen, [mask_set]):
        damaged = _blanked(case, 255)
        rows.append([damaged, *(_filled(case, fill) for fill in methods.values()), case.image])
    Image.fromarray(sheet(rows, ["input", *methods, "original"])).save(path)


def hole_of(mask_set: str, number: int) -> Bools:
    """Return hole number `number` of a mask set, [S, S] bool; it is the same in every run."""
    random = np.random.default_rng((list(MASK_SETS).index(mask_set), number))
    if mask_set == "center":
        return masks.center(SIZE, SIZE // 2)
    if mask_set == "center512":
        return masks.center(MASK_SETS[mask_set], CENTER_512)
    if mask_set == "random":
        return masks.rectangle(random, SIZE, 3 * SIZE // 8, SIZE // 2)
    low, high = AREA_BINS[number % len(AREA_BINS)]
    while True:
        hole = np.zeros((SIZE, SIZE), np.bool_)
        while hole.mean() <= low:
            hole |= masks.free_form(random, SIZE, SIZE // 40, SIZE // 9)
        if hole.mean() <= high:
            return hole


def _cases(sources: Sequence[Source], mask_sets: Sequence[str]) -> Iterator[EvaluationCase]:
    for source in sources:
        number = zlib.crc32(f"{source.path.name}:{source.offset}".encode())  # independent of the other pictures
        for mask_set in mask_sets:
            image = _crop(source, MASK_SETS[mask_set])
            if image is not None:
                yield EvaluationCase(f"{source.path}:{source.offset}", mask_set, image, hole_of(mask_set, number))


def _crop(source: Source, size: int) -> Bytes | None:
    """Return the centre crop [size, size, 3] of a picture, or None if the picture is too small or broken."""
    try:
        picture = decode(source.read(), size)
    except Exception:  # noqa: BLE001  # decoders raise many types of errors
        return None
    if picture is None:
        return None
    left, top = (picture.width - size) // 2, (picture.height - size) // 2
    return np.asarray(picture.crop((left, top, left + size, top + size)))


def _blanked(case: EvaluationCase, value: int) -> Bytes:
    return np.where(case.hole[..., None], np.uint8(value), case.image)


def _filled(case: EvaluationCase, fill: FillMethod) -> Bytes:
    filled = fill(_blanked(case, 0), case.hole)
    return np.where(case.hole[..., None], filled, case.image)  # changes of known pixels do not count


def _score(case: EvaluationCase, fill: FillMethod, judge: FeatureNetwork | None) -> CaseResult:
    filled = _filled(case, fill)
    completed, original = (picture.astype(np.float32) / 255 for picture in (filled, case.image))
    scores = metrics.score(completed, original, case.hole)
    if judge is None:
        return CaseResult(scores)
    ours, truth = judge.features(filled), judge.features(case.image)
    return CaseResult(scores, feature_distance(ours, truth, case.hole), (pooled(ours, case.hole), pooled(truth, case.hole)))


def _read_results(path: Path) -> dict[tuple[str, str, str], CaseResult]:
    """Read the results of earlier runs. A last line that an interruption cut short is ignored, so it is computed again."""
    done = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            picture, mask_set, method, *values = json.loads(line)
        except json.JSONDecodeError:
            continue
        done[picture, mask_set, method] = CaseResult.parse(values)
    return done


def _rows(done: Mapping[tuple[str, str, str], CaseResult], mask_sets: Sequence[str], methods: Sequence[str]) -> list[ScoreRow]:
    rows = []
    for mask_set in mask_sets:
        for method in methods:
            results = [result for key, result in done.items() if key[1:] == (mask_set, method)]
            if results:
                rows.append(_row(method, mask_set, results))
    return rows


def _row(method: str, mask_set: str, results: Sequence[CaseResult]) -> ScoreRow:
    scores = metrics.mean_scores([result.scores for result in results])
    pairs = [result.pooled for result in results if result.pooled is not None]
    if len(pairs) < len(results) or len(pairs) < 2:  # without a judge, or too few for a distance of sets
        return ScoreRow(method, mask_set, len(results), scores)
    distances = [result.feature_distance for result in results if result.feature_distance is not None]
    fills, originals = zip(*pairs, strict=True)
    return ScoreRow(method, mask_set, len(results), scores, float(np.mean(distances)), kernel_distance(fills, originals))
