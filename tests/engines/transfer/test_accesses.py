"""No kernel of the transfer reads or writes outside its arrays, and no program reads or writes what another one writes.

On a GPU the first is an error that ends all work of the process, or wrong pixels; the second gives another result now and then.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor

import pytest

from gi_plugin.engines.transfer import composing, searching
from gi_plugin.engines.transfer.forms import BLOCKS
from gi_plugin.engines.transfer.job import job_of
from gi_plugin.transfer import schedule
from gi_plugin.transfer.arrays import go_on
from tests.engines.transfer.interpreted import simulated
from tests.engines.transfer.sanitizer import sanitized
from tests.engines.transfer.stages import CASES, Case, SimulatedJob


def _faults(given: Case) -> tuple[set[str], set[str]]:
    """Run a whole transfer; return the faults of its launches, and the forms that were launched."""
    with simulated() as gpu, pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "ROUNDS", (1, 2, 1))
        job = job_of(*given, threads=1)
        assert job is not None
        on_gpu = SimulatedJob(gpu, job)
        with sanitized(on_gpu.sizes()) as sanitizer:
            searching.search_levels(job, on_gpu.launch, go_on)
            composing.compose(job, on_gpu.launch, go_on)
            assert on_gpu["filled"].size
        return sanitizer.faults, sanitizer.forms


def test_whole_transfers_have_no_faults(interpreting: ProcessPoolExecutor) -> None:
    """At corners and edges, for odd sizes and chosen sources, and every form of every kernel is launched."""
    results = [interpreting.submit(_faults, given).result() for given in CASES.values()]
    assert [faults for faults, _ in results] == [set()] * len(CASES)
    assert set.union(*(forms for _, forms in results)) == set(BLOCKS)


def _provoked(count: int, same: bool) -> set[str]:
    """Launch `finish` for `count` pixels too many, or on arrays of which two are the same."""
    given = CASES["odd sizes"]
    with simulated() as gpu:
        job = job_of(*given, threads=1)
        assert job is not None
        on_gpu = SimulatedJob(gpu, job)
        box = {"low": "low", "high": "high", "correction": "values0", "fade": "fade_high0", "weight": "weight0"}
        with sanitized(on_gpu.sizes()) as sanitizer:
            pixels = on_gpu["low"].size // 3 + count
            on_gpu.launch("finish", pixels, **box, count=pixels, filled="low" if same else "filled")
            assert on_gpu["filled"].size
        return sanitizer.faults


@pytest.mark.parametrize(
    ("count", "same", "faults"),
    [
        (0, False, set()),
        (1, False, {"finish reads outside its arrays", "finish writes outside its arrays"}),
        (0, True, {"finish reads what it writes"}),
    ],
)
def test_faults_are_found(interpreting: ProcessPoolExecutor, count: int, *, same: bool, faults: set[str]) -> None:
    """A pixel too many, and a result in the place of an input."""
    assert interpreting.submit(_provoked, count, same).result() == faults
