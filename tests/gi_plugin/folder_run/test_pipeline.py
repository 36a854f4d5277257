"""The folder pipeline in this process: overlapping steps, bounded memory, failures and early ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gi_plugin import files
from gi_plugin.arrays import Array
from gi_plugin.atomic import PARTIAL
from gi_plugin.config import Config, EngineSettings, ModelSettings
from gi_plugin.engines import open_engine
from gi_plugin.errors import EngineError, ModelError
from gi_plugin.folder_run import jobs as folders, pipeline, steps
from gi_plugin.folder_run.jobs import Job
from gi_plugin.inpainter import Inpainter
from gi_plugin.options import Options
from gi_plugin.planning.transfer_windows import plan_transfer
from tests.gi_plugin.folder_run import mixed

pytestmark = pytest.mark.usefixtures("small_windows")


@pytest.fixture(scope="module", params=[1, 3], ids=["one stream", "three streams"])
def inpainter(small_network_file: Path, engine_cache: Path, request: pytest.FixtureRequest) -> Inpainter:
    """Return an inpainter with a small network; its results are not looked at."""
    engine = EngineSettings(backend="openvino", cache=str(engine_cache), streams=request.param)
    return Inpainter(Config(model=ModelSettings(str(small_network_file)), engine=engine))


@pytest.fixture
def jobs(tmp_path: Path) -> list[Job]:
    """Return the jobs of ten pictures, one of each kind."""
    mixed.make_good(tmp_path / "in", tmp_path / "masks", 10)
    return folders.jobs_of(tmp_path / "in", tmp_path / "masks", tmp_path / "out")


def _written(jobs: list[Job]) -> list[bool]:
    return [job.output.exists() for job in jobs]


def test_a_run_equals_its_pictures_one_by_one(jobs: list[Job], inpainter: Inpainter, tmp_path: Path) -> None:
    """Outcomes come in the order of the jobs, and the files are byte-identical to those of single calls."""
    assert [(outcome.job, outcome.error) for outcome in pipeline.run(jobs, inpainter, Options())] == [(job, "") for job in jobs]
    for job in jobs:
        alone = tmp_path / "alone" / job.output.name
        steps.fill_file(Job(job.image, job.mask, alone), inpainter, Options())
        assert job.output.read_bytes() == alone.read_bytes()
        assert mixed.is_filled(job.image, job.output)


@pytest.mark.parametrize(("pixels", "least", "most"), [(1, 1, 1), (2**26, 2, 20)])
def test_memory_is_bounded(
    jobs: list[Job], inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch, pixels: int, least: int, most: int
) -> None:
    """No picture is read while the pictures in memory hold the allowed number of pixels, and all pictures are written."""
    held, peak, lock = [0], [0], threading.Lock()

    def counted(change: int, step: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any) -> Any:
            result = step(*arguments)
            with lock:
                held[0] += change
                peak[0] = max(peak[0], held[0])
            return result

        return run

    monkeypatch.setattr(pipeline, "PIXELS", pixels)
    monkeypatch.setattr(pipeline, "LEAST", max(pixels // 16, 1))
    monkeypatch.setattr(files, "read_picture", counted(1, files.read_picture))
    monkeypatch.setattr(files, "write_picture", counted(-1, files.write_picture))
    monkeypatch.setattr(files, "read_mask", lambda path, _: np.asarray(Image.open(path)))  # it would call the counted read_picture
    assert [outcome.error for outcome in pipeline.run(jobs, inpainter, Options())] == [""] * len(jobs)
    assert (held[0], all(_written(jobs))) == (0, True)
    assert least <= peak[0] <= most


def test_a_failure_in_any_step_is_an_outcome(jobs: list[Job], inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure in reading, in the network or in writing is an outcome that names the file, and the other pictures are filled."""
    jobs[1].image.write_bytes(b"")
    jobs[2] = Job(jobs[2].image, None, jobs[2].output)
    jobs[3].output.mkdir(parents=True)
    run, errors = Inpainter.run, {4: EngineError("the device is gone"), 5: MemoryError()}
    failures = {files.read_picture(jobs[number].image, 10**6).pixels.tobytes(): error for number, error in errors.items()}

    def failing(self: Inpainter, image: Array, *arguments: Any) -> Any:
        if image.tobytes() in failures:
            raise failures[image.tobytes()]
        return run(self, image, *arguments)

    monkeypatch.setattr(Inpainter, "run", failing)
    outcomes = list(pipeline.run(jobs, inpainter, Options()))
    assert [outcome.job for outcome in outcomes] == jobs
    failed = {jobs.index(outcome.job): outcome.error for outcome in outcomes if outcome.error}
    reasons = {1: "unknown format", 2: "there is no mask", 3: "Is a directory", 4: "the device is gone", 5: "too large for the memory"}
    assert failed.keys() == reasons.keys()
    for number, reason in reasons.items():
        assert reason in failed[number]
        assert str(jobs[number].output if number == 3 else jobs[number].image) in failed[number]
    assert [path.exists() for path in (job.output for job in jobs)] == [number not in (1, 2, 4, 5) for number in range(len(jobs))]


def test_an_error_that_affects_every_picture_ends_the_run(jobs: list[Job], tmp_path: Path) -> None:
    """A missing network file ends the run with an error, and no thread remains."""
    with pytest.raises(ModelError):
        list(pipeline.run(jobs, Inpainter(Config(model=ModelSettings(str(tmp_path / "missing.onnx")))), Options()))
    assert not any(_written(jobs))
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("gi-plugin")]


def test_an_interrupt_leaves_a_picture_at_its_next_window(inpainter: Inpainter, tmp_path: Path) -> None:
    """Ctrl-C does not wait until a picture of many windows is filled: nothing is written, and the inpainter can be used again."""
    pixels, hole = np.full((600, 9000, 3), 90, np.uint8), np.zeros((600, 9000), np.uint8)
    for left in range(250, 9000, 600):
        hole[250:290, left : left + 40] = 255
    Image.fromarray(pixels).save(tmp_path / "in.png")
    Image.fromarray(hole).save(tmp_path / "mask.png")
    outputs = [tmp_path / f"out{number}.png" for number in range(5)]
    begun, closed, windows, streams = threading.Event(), threading.Event(), list[int](), inpainter.config.engine.streams

    class Counted:
        """An engine that counts its windows. Every picture in progress gets its first window; the second one waits for `close`."""

        def __init__(self, config: Config, window: int) -> None:
            self._engine = open_engine(config, window)
            self.batch, self.window, self.backend = self._engine.batch, window, self._engine.backend

        def __call__(self, *arguments: Any) -> Any:
            windows.append(self.window)
            if len(windows) == streams:
                begun.set()
            (closed if begun.is_set() and len(windows) > streams else begun).wait(60)
            return self._engine(*arguments)

        def close(self) -> None:
            self._engine.close()
            closed.set()

    counting = Inpainter(inpainter.config, Counted)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    main = threading.get_ident()
    interrupt = threading.Thread(target=lambda: begun.wait(60) and signal.pthread_kill(main, signal.SIGINT))
    try:
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            list(pipeline.run([Job(tmp_path / "in.png", tmp_path / "mask.png", output) for output in outputs], counting, Options()))
    finally:
        interrupt.join()
        signal.signal(signal.SIGINT, previous)
    assert streams <= len(windows) < len(plan_transfer(hole > 0))
    assert not any(output.exists() for output in outputs)
    assert counting(pixels[:, :600], hole[:, :600]).shape == (600, 600, 3)


def test_settings_for_many_pictures() -> None:
    """There is one stream per thread up to a limit, unless the settings give a number."""
    cases = [(1, 0), (3, 0), (64, 0), (64, 7), (0, 1)]
    engines = [pipeline.for_many(Config(engine=EngineSettings(threads=threads, streams=streams))).engine for threads, streams in cases]
    assert [engine.streams for engine in engines] == [1, 3, pipeline.STREAMS, 7, 1]
    assert 1 <= pipeline.for_many(Config()).engine.streams <= pipeline.STREAMS


class _Flag:
    def __init__(self) -> None:
        self.up = False

    def __call__(self) -> bool:
        return self.up


@pytest.mark.parametrize("pixels", [1, 2**26])
@pytest.mark.parametrize("asked", [True, False])
def test_a_run_may_end_early(
    jobs: list[Job], inpainter: Inpainter, monkeypatch: pytest.MonkeyPatch, asked: bool, pixels: int
) -> None:  # a table
    """A run that is stopped or closed writes filled pictures, drops pictures that were only read, and leaves no partial file.

    This also holds while its reader waits for room in memory.
    """
    monkeypatch.setattr(pipeline, "PIXELS", pixels)
    stop, outcomes = _Flag(), []
    run = pipeline.run(jobs, inpainter, Options(), stop)
    for outcome in run:
        outcomes.append(outcome)
        stop.up = asked
        if not asked:
            run.close()
    written = _written(jobs)
    count = sum(written)
    assert 1 <= count <= pipeline.AHEAD
    others = (inpainter.config.engine.streams or 1) - 1  # streams, each of which may drop a picture that it has only taken
    assert not any(written[count + others :])
    assert len(outcomes) == (count if asked else 1)
    assert all(mixed.is_filled(job.image, job.output) for job, there in zip(jobs, written, strict=True) if there)
    assert not list(jobs[0].output.parents[1].rglob(f"{PARTIAL}*"))
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("gi-plugin")]
