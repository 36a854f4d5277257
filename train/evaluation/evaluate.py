"""Score inpainting methods on the same pictures and seeded holes, and draw contact sheets. Interrupted runs can be continued."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gi_plugin.arrays import Bools, Bytes, Floats
from gi_plugin.errors import ConfigError, first_line
from gi_plugin.files.sheet import sheet

from ..data.pictures import Source, decode, find_pictures
from . import metrics
from .baselines import BaselineFailed, FillMethod
from .features import FeatureNetwork, feature_distance, kernel_distance, pooled
from .mask_sets import SIZE, hole_of, set_named

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
    pictures: int  # number of pictures that the method filled
    scores: metrics.Scores | None  # means over these pictures; None: it filled none
    feature_distance: float | None = None  # the judge's two columns; None without a judge
    kernel_distance: float | None = None
    failed: int = 0  # number of pictures on which the method failed


@dataclass(frozen=True)
class CaseResult:
    """Scores of one method on one case, and the judge's view of it."""

    scores: metrics.Scores | None  # None: the method failed
    feature_distance: float | None = None
    pooled: tuple[Floats, Floats] | None = None  # features of fill and original over the hole, for the kernel distance
    failure: str | None = None  # why the method failed

    @classmethod
    def parse(cls, values: list[Any]) -> CaseResult:
        """Read what `values` wrote."""
        scores, distance, pooled, failure = (*values, None, None, None)[:4]
        pair = None if pooled is None else (np.array(pooled[0], np.float32), np.array(pooled[1], np.float32))
        return cls(None if scores is None else metrics.Scores(**scores), distance, pair, failure)

    def values(self) -> list[Any]:
        """The result, ready for JSON."""
        pooled = None if self.pooled is None else [[round(float(value), 5) for value in part] for part in self.pooled]
        return [None if self.scores is None else asdict(self.scores), self.feature_distance, pooled, self.failure]

    def lacks(self, judge: FeatureNetwork | None) -> bool:
        """Whether the judge's view is missing."""
        return judge is not None and self.failure is None and self.pooled is None


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

    A baseline that fails on a picture is counted in its row; all other errors end the run.

    :param methods: fill methods by name; they receive the picture with a blanked hole, never the original.
    :param folder: receives one line per result, in scores.jsonl.
    :param progress: called with a text, the number of the case and the number of cases, before each fill.
    :param limit: number of pictures to use, 0 for all.
    :param judge: adds the feature and the kernel distance.
    :raises ConfigError: if a mask set is unknown or no picture is large enough.
    """
    for mask_set in mask_sets:
        set_named(mask_set)
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
                if key not in done or done[key].lacks(judge):
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
        rows.append([damaged, *(_drawn(case, fill, damaged) for fill in methods.values()), case.image])
    Image.fromarray(sheet(rows, ["input", *methods, "original"])).save(path)


def _cases(sources: Sequence[Source], mask_sets: Sequence[str]) -> Iterator[EvaluationCase]:
    for source in sources:
        number = zlib.crc32(f"{source.path.name}:{source.offset}".encode())  # independent of the other pictures
        for mask_set in mask_sets:
            image = _crop(source, set_named(mask_set).size)
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


def _drawn(case: EvaluationCase, fill: FillMethod, otherwise: Bytes) -> Bytes:
    try:
        return _filled(case, fill)
    except BaselineFailed:
        return otherwise


def _score(case: EvaluationCase, fill: FillMethod, judge: FeatureNetwork | None) -> CaseResult:
    try:
        filled = _filled(case, fill)
    except BaselineFailed as error:
        return CaseResult(None, failure=first_line(error))
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
    scores = [result.scores for result in results if result.scores is not None]
    row = ScoreRow(method, mask_set, len(scores), metrics.mean_scores(scores) if scores else None, failed=len(results) - len(scores))
    pairs = [result.pooled for result in results if result.pooled is not None]
    if len(pairs) < len(scores) or len(pairs) < 2:  # without a judge, or too few for a distance of sets
        return row
    distances = [result.feature_distance for result in results if result.feature_distance is not None]
    fills, originals = zip(*pairs, strict=True)
    return replace(row, feature_distance=float(np.mean(distances)), kernel_distance=kernel_distance(fills, originals))
