"""The kernels of a round of the transfer: their results in Triton's interpreter equal numpy's."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from gi_plugin.engines.transfer.forms import MOST_COSTS
from gi_plugin.transfer import numpy_kernels, schedule, transfer
from gi_plugin.transfer.arrays import ONE, Estimate, Field, Floats, Sources
from gi_plugin.transfer.matching import QUANTILE, SAMPLE, vote_weights
from tests.engines.transfer.interpreted import launch
from tests.gi_plugin.transfer import scenes

Arrays = npt.NDArray[Any]
Launch = Callable[..., list[Arrays]]


@pytest.fixture(scope="module")
def interpreter(interpreting: ProcessPoolExecutor) -> Launch:
    """Launch kernels in the process in which Triton interprets them."""
    return lambda *arguments: interpreting.submit(launch, *arguments).result()


def _targets(field: Field) -> npt.NDArray[np.int32]:
    return np.flatnonzero(field[..., 0] >= 0).astype(np.int32)


def _searched(launch: Launch, sources: Sources, estimate: Estimate, field: Field, radius: int, seed: int) -> tuple[Field, Floats]:
    guided, nothing, targets = sources.low is not None, np.zeros(1, np.int16), _targets(field)
    theirs = [sources.planes, sources.valid, sources.low if guided else nothing, *sources.valid.shape, sources.pull / ONE**2]
    ours = [estimate.planes, estimate.weight, estimate.goal if guided else nothing, field.shape[1], targets, len(targets)]
    results = [np.full_like(field, -1), np.zeros(field.shape[:2], np.float32)]
    signed = seed - 2**32 if seed >= 2**31 else seed
    found, cost = launch(
        "search guided" if guided else "search", len(targets), [*theirs, *ours, field, *results, radius, signed], ("found", "cost")
    )
    return found, cost


@pytest.mark.parametrize(("guided", "radius", "seed"), [(False, 0, 0), (False, 1, 2**32 - 1), (True, 9, 4_000_000_000), (True, 100, 12345)])
def test_a_round_of_search_equals_that_of_numpy(interpreter: Launch, *, guided: bool, radius: int, seed: int) -> None:
    """Sources and costs are equal bit by bit, with and without a guide, for any seed and radius; nothing else is written."""
    sources, estimate, field, _ = scenes.state(seed % 100, guided=guided)
    expected, expected_cost = numpy_kernels.search(sources, estimate, field, radius, seed)
    found, cost = _searched(interpreter, sources, estimate, field, radius, seed)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(cost.view(np.int32), expected_cost.view(np.int32))


def test_the_largest_difference_does_not_overflow(interpreter: Launch) -> None:
    """Planes at the ends of their ranges, with all pixels known, give the costs of numpy."""
    sources, estimate, field, _ = scenes.state(3, guided=False)
    low, high = np.array([-1024, -1024, -1024, 0, 0], np.int16), np.array([1024, 1024, 1024, 2048, 2048], np.int16)
    sources.planes[:], estimate.planes[:], estimate.weight[:, :21] = low, high, 2
    expected = numpy_kernels.costs(sources, estimate, field)
    _, cost = _searched(interpreter, sources, estimate, field, 0, 0)
    np.testing.assert_array_equal(cost, expected)
    assert expected.max() > 3.9


def test_votes_equal_those_of_numpy(interpreter: Launch) -> None:
    """For equal weights the votes are equal bit by bit, and pixels that no patch covers keep their value."""
    sources, estimate, field, hole = scenes.state(4)
    weight = np.where(field[..., 0] >= 0, np.random.default_rng(4).uniform(1e-6, 1, hole.shape), 0).astype(np.float32)
    weight[12:, :] = 0  # a part of the hole has no patch
    expected = estimate.planes.copy()
    numpy_kernels.vote(sources.planes, field, weight, hole, expected)
    pixels, scale = np.flatnonzero(hole).astype(np.int32), np.full(1, np.nan, np.float32)
    columns, width = sources.planes.shape[1], hole.shape[1]
    arguments = [sources.planes, columns, field, weight, width, scale, pixels, len(pixels), estimate.planes]
    (votes,) = interpreter("vote", len(pixels), arguments, ("votes",))
    np.testing.assert_array_equal(votes, expected)
    assert (expected[hole] != estimate.planes[hole]).any()
    assert (expected[hole] == estimate.planes[hole]).all(axis=1).any()


def test_votes_from_costs_equal_those_from_weights(interpreter: Launch) -> None:
    """A vote that computes the weights from the costs gives what `vote_weights` and a vote with weights give."""
    sources, estimate, field, hole = scenes.state(6)
    cost = np.random.default_rng(6).uniform(0, 1, hole.shape).astype(np.float32)
    targets, pixels, scale = _targets(field), np.flatnonzero(hole).astype(np.int32), np.full(1, 0.3, np.float32)
    columns, width = sources.planes.shape[1], hole.shape[1]
    (weight,) = interpreter("vote_weights", len(targets), [cost, targets, len(targets), scale, np.zeros_like(cost)], ("weights",))
    votes = [
        interpreter(
            form, len(pixels), [sources.planes, columns, field, given, width, scale, pixels, len(pixels), estimate.planes], ("votes",)
        )
        for form, given in (("vote", weight), ("vote priced", cost))
    ]
    np.testing.assert_array_equal(votes[0], votes[1])


@pytest.mark.parametrize("kind", ["uniform", "equal", "zero", "many"])
def test_weights_equal_those_of_numpy(interpreter: Launch, kind: str) -> None:
    """The scale is the same number of the order, also of many, equal or zero costs; the weights are equal within the stated bound."""
    shape = (150, 200) if kind == "many" else (12, 15)
    random = np.random.default_rng(5)
    cost = {
        "uniform": random.uniform(0, 3, shape),
        "many": random.exponential(1e-3, shape),
        "equal": np.full(shape, 0.25),
        "zero": np.where(random.uniform(size=shape) < 0.5, 0, 1e-7),
    }[kind].astype(np.float32)
    field = np.zeros((*shape, 2), np.int32)
    field[random.uniform(size=shape) < 0.2] = -1
    targets = _targets(field)
    costs = cost.ravel()[targets]
    step = max(len(targets) // SAMPLE, 1)
    length = -(-len(targets) // step)
    assert length <= MOST_COSTS
    rank = int(QUANTILE * (length - 1))
    (scale,) = interpreter("cost_scale", 1, [cost, targets, step, length, rank, np.zeros(1, np.float32)], ("scale",))
    assert scale[0] == np.sort(costs[::step])[rank]
    (weights,) = interpreter("vote_weights", len(targets), [cost, targets, len(targets), scale, np.zeros_like(cost)], ("weights",))
    np.testing.assert_allclose(weights, vote_weights(field, cost), rtol=2e-6)
    np.testing.assert_array_equal(weights == 0, field[..., 0] < 0)


def _power(exponent: Floats, error: float) -> Floats:
    """The exponential of a GPU: 2 to the rounded product of exponent and log2(e), with an error of 2 units, as ex2.approx.f32 has."""
    power = np.exp2((exponent * np.float32(np.log2(np.e))).astype(np.float64))
    return np.asarray(power * (1 + error), dtype=np.float32)


def test_the_bound_of_the_weights() -> None:
    """With the exponential of a GPU all weights stay within 2e-6 of numpy's."""
    x = -np.concatenate([np.linspace(0, 110, 400_001), np.geomspace(1e-9, 1e9, 100_001)]).astype(np.float32)
    expected = np.exp(x) + np.float32(1e-6)
    for error in (-(2**-22), 2**-22):
        weights = _power(x, error) + np.float32(1e-6)
        assert np.abs(weights / expected - 1).max() < 2e-6


@pytest.mark.parametrize("error", [-(2**-22), 2**-22])
def test_the_exponential_of_a_gpu_hardly_changes_a_fill(monkeypatch: pytest.MonkeyPatch, error: float) -> None:
    """Of the sources less than 1 % become other ones, where another seed changes more than a third of them."""
    image, hole = scenes.photo(3, 150, 140), scenes.block(150, 140, 40, 35, 60, 60)
    guide = scenes.guide(image, hole, 2)
    expected, other = (transfer(image, hole, guide, seed=seed).sources for seed in (0, 1))

    exact, counted = np.exp, []

    def exponential(exponent: Arrays, out: Arrays | None = None) -> Arrays:
        if exponent.dtype != np.float32:
            return np.asarray(exact(exponent))
        counted.append(exponent.shape)
        return np.multiply(_power(exponent, error), np.float32(1), out=out)

    monkeypatch.setattr(np, "exp", exponential)
    found = transfer(image, hole, guide).sources
    assert len(counted) > 2 + schedule.ROUNDS[1]  # two of the composition, and one per round
    assert (found != expected)[hole].any(axis=1).mean() < 0.01
    assert (other != expected)[hole].any(axis=1).mean() > 0.33
