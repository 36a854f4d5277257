"""The steps of the transfer on a GPU equal those on the CPU bit by bit; the kernels run in Triton's interpreter."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from typing import NamedTuple

import numpy as np
import pytest

from gi_plugin.arrays import Array
from gi_plugin.box import Box, around
from gi_plugin.engines.transfer.masks import levels
from gi_plugin.transfer import hole_depth, kernels, matching, schedule
from gi_plugin.transfer.arrays import KNOWN, MARGIN, MISSING, Bools, Estimate, Shorts, Sources
from gi_plugin.transfer.composition import compose
from gi_plugin.transfer.guide import no_sources
from gi_plugin.transfer.matching import Match, Task, seeds_of, with_random_sources
from gi_plugin.transfer.pyramid import Level, pyramid, spread, valid_sources
from gi_plugin.transfer.transfer import levels_to_search
from tests.engines.transfer.stages import CASES, Case, run_stages


class Stages(NamedTuple):
    """What the GPU wrote, and the inputs of the same steps on the CPU."""

    case: Case
    found: dict[str, Array]
    source: list[Level]  # full size first, those that are searched
    context: list[Level]
    task: Task

    def box(self, number: int) -> Box:
        """The box around the hole at a level."""
        return around(self.context[number].missing).grown(MARGIN)

    def targets(self, number: int) -> Bools:
        """The targets in the box."""
        return self.box(number).cut(spread(self.context[number].missing))

    def estimate(self, number: int, goal: Shorts | None = None) -> Estimate:
        """The box before the search at a level."""
        box, level = self.box(number), self.context[number]
        weight = box.cut(np.where(level.missing, MISSING, KNOWN)).astype(np.uint8)
        return Estimate(box.cut(level.planes), weight, goal)

    def seed(self, number: int) -> int:
        """The seed of the random sources at a level."""
        return seeds_of(self.case.seed, 2**number, 1)[0]

    def pull(self, number: int) -> float:
        """The weight of the guide at a level."""
        coarsest = schedule.coarsest(self.case.hole.shape)
        return schedule.step(coarsest - number, self.source[number].missing.shape, hole_depth(self.case.hole)).pull


@pytest.fixture(scope="module", params=CASES)
def stages(request: pytest.FixtureRequest, interpreting: ProcessPoolExecutor) -> Stages:
    """Run the steps of one case."""
    case = CASES[request.param]
    running = interpreting.submit(run_stages, case)
    image, hole, guide, sources, seed = case
    allowed = ~hole if sources is None else sources & ~hole
    source, context = (pyramid(image, known, schedule.coarsest(hole.shape), 1) for known in (allowed, ~hole))
    count = len(levels_to_search((valid_sources(one.missing), two.missing) for one, two in zip(source, context, strict=True)))
    task = Task(guide, schedule.guide_sigma(hole_depth(hole)), seed, 1)
    return Stages(case, running.result(), source[:count], context[:count], task)


def test_the_masks_of_all_levels_are_those_of_the_pyramid(stages: Stages) -> None:
    """The levels are those that the CPU searches, with the same missing pixels and valid sources."""
    image, hole, _, sources, _ = stages.case
    found = levels(hole, None if sources is None else sources & ~hole, schedule.coarsest(hole.shape))
    assert len(found) == len(stages.source)
    for level, source, context in zip(found, stages.source, stages.context, strict=True):
        np.testing.assert_array_equal(level.known, ~source.missing)
        np.testing.assert_array_equal(level.valid, valid_sources(source.missing))
        np.testing.assert_array_equal(level.missing, context.missing)
    assert image.shape[:2] == found[0].shape


def test_planes_and_counts_of_all_levels(stages: Stages) -> None:
    """Colours, texture and counts of known pixels are equal, for the sources and for what surrounds the hole."""
    for number, (source, context) in enumerate(zip(stages.source, stages.context, strict=True)):
        np.testing.assert_array_equal(stages.found[f"planes{number}"], source.planes)
        np.testing.assert_array_equal(stages.found[f"counts{number}"], source.count)
        name = "planes" if stages.case.sources is None else "context"
        np.testing.assert_array_equal(stages.found[f"{name}{number}"], context.planes)


def test_low_frequencies(stages: Stages) -> None:
    """Those of the guide in the box are equal, and those of the sources where a patch may be taken."""
    guided = [number for number in range(len(stages.source)) if stages.pull(number)]
    assert guided == [number for number in range(len(stages.source)) if f"goal{number}" in stages.found]
    for number in guided:
        source = stages.source[number]
        low, goal = matching._low_frequencies(stages.task, source, stages.context[number], stages.box(number))  # noqa: SLF001
        np.testing.assert_array_equal(stages.found[f"goal{number}"], goal)
        np.testing.assert_array_equal(stages.found[f"lows{number}"][~source.missing], low[~source.missing])


def test_the_coarsest_level_begins_as_on_the_cpu(stages: Stages) -> None:
    """The first estimate has the guide's colours and smooth texture; its sources are random ones or those of the attention."""
    number = len(stages.source) - 1
    source, context, box = stages.source[number], stages.context[number], stages.box(number)
    low, goal = matching._low_frequencies(stages.task, source, context, box) if stages.pull(number) else (None, None)  # noqa: SLF001
    estimate, valid = stages.estimate(number, goal), valid_sources(source.missing)
    matching._first_estimate(stages.task, context, box, box.cut(context.missing), estimate.planes)  # noqa: SLF001
    np.testing.assert_array_equal(stages.found["first_estimate"], estimate.planes)
    field = with_random_sources(no_sources(box.shape), stages.targets(number), valid, stages.seed(number))
    sources = Sources(source.planes, valid, low, stages.pull(number))
    field = matching._with_attention(stages.task, sources, estimate, field, box, source.factor)  # noqa: SLF001
    np.testing.assert_array_equal(stages.found["first_field"], field)


def test_finer_levels_begin_with_doubled_sources(stages: Stages) -> None:
    """Sources, weights and votes are equal; a target without a valid source draws the same random one."""
    for number in range(len(stages.source) - 1):
        source, missing = stages.source[number], stages.box(number).cut(stages.context[number].missing)
        valid, targets, estimate = valid_sources(source.missing), stages.targets(number), stages.estimate(number)
        given, weight = stages.found[f"coarse_field{number}"], stages.found[f"coarse_weights{number}"]
        coarse_box = stages.box(number + 1)
        coarser = Match(coarse_box, coarse_box.cut(stages.context[number + 1].missing), estimate, given, weight)
        field, weight = matching._doubled(coarser, stages.box(number), targets, valid)  # noqa: SLF001
        drawn = int((targets & (field[..., 0] < 0)).sum())
        field = with_random_sources(field, targets & (field[..., 0] < 0), valid, stages.seed(number))
        kernels.vote(source.planes, field, weight, missing, estimate.planes, 1)
        assert drawn < targets.sum()
        np.testing.assert_array_equal(stages.found[f"doubled_field{number}"], field)
        np.testing.assert_array_equal(stages.found[f"doubled_weights{number}"], weight)
        np.testing.assert_array_equal(stages.found[f"doubled_estimate{number}"], estimate.planes)
        assert (stages.found[f"doubled_other{number}"] == -1).all()


def test_the_composition(stages: Stages) -> None:
    """From the same sources, weights and votes comes the same fill, bit by bit."""
    field, weight, votes = (stages.found[f"last_{name}"] for name in ("field", "weights", "estimate"))
    box = stages.box(0)
    missing = box.cut(stages.case.hole)
    found = Match(box, missing, Estimate(votes, stages.estimate(0).weight, None), field, weight)
    expected = compose(stages.case.image, stages.source[0], found, 1)
    np.testing.assert_array_equal(stages.found["filled"][missing], expected[missing])
