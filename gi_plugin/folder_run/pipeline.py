"""Many picture files, filled with their steps overlapped.

One thread reads ahead, as many as the engine has streams fill, others write; decoders, engine and encoders release Python's lock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from ..config import Config
from ..errors import ConfigError, EngineMissing, GiError, ModelError
from ..inpainter import Inpainter
from ..options import Options
from ..planning import PlannedHole
from . import steps
from .jobs import Job
from .steps import Filled, Loaded

FATAL = (ConfigError, ModelError, EngineMissing)  # errors that affect the whole run, not one picture
STREAMS = 4  # pictures that are filled at once at most, unless the settings ask for more: each takes memory in the engine
AHEAD = 12  # pictures on their way, at most
WRITERS = 4  # threads beside the waiting ones: next to a fast engine, encoding takes longest
PIXELS = 2**26  # once the pictures in memory hold as many, the next one is not read yet
LEAST = PIXELS // 16  # what a picture counts at least, which bounds their number


@dataclass(frozen=True)
class Outcome:
    """Result of a job; `error` is empty if the output was written."""

    job: Job
    error: str = ""


class Dropped(Exception):
    """The run was stopped before this picture was filled."""


def never() -> bool:
    """A stop condition that does not stop."""
    return False


def for_many(config: Config) -> Config:
    """Settings for many pictures: as many streams as cores, `STREAMS` at most, where the settings leave it open."""
    return replace(config, engine=replace(config.engine, streams=config.engine.streams or min(config.engine.cores(), STREAMS)))


def run(jobs: Iterable[Job], inpainter: Inpainter, options: Options, stop: Callable[[], bool] = never) -> Generator[Outcome]:
    """Fill pictures; their outcomes come in the order of the jobs, and a picture that fails does not end the run.

    :param inpainter: as many pictures are filled at once as its engines have streams.
    :param stop: asked before each step; once it says True, filled pictures are still written, pictures that were only read are dropped,
        and the run ends. Closing the iterator does the same.
    :raises GiError: if an error affects the whole run: a wrong setting, no network, no engine.
    """
    todo, flying = iter(jobs), deque[Future[Outcome]]()
    stages = _Stages(inpainter, options, stop)
    try:
        while True:
            if not stop():
                flying.extend(stages.start(job) for job in islice(todo, AHEAD - len(flying)))
            if not flying:
                break
            try:
                yield flying.popleft().result()
            except Dropped:
                continue
    except KeyboardInterrupt:
        stages.drop()
        inpainter.close()  # a picture of many windows is left at the next of them
        raise
    finally:
        stages.close()


class _Stages:
    """The three stages of a run, each with its threads; a later stage waits for the result, or the error, of the earlier one."""

    def __init__(self, inpainter: Inpainter, options: Options, stop: Callable[[], bool]) -> None:
        self._inpainter, self._options, self._stop = inpainter, options, stop
        self._last: tuple[Path | None, PlannedHole] | None = None  # the last mask: often it is one for all pictures
        self._pixels, self._changed, self._closed = 0, threading.Condition(), False
        streams = inpainter.config.engine.streams or 1
        self._reader = ThreadPoolExecutor(1, "gi-plugin reader")
        self._filler = ThreadPoolExecutor(streams, "gi-plugin engine")
        self._writer = ThreadPoolExecutor(streams + WRITERS, "gi-plugin writer")  # as many wait for pictures that are being filled

    def start(self, job: Job) -> Future[Outcome]:
        """Send a job through the stages."""
        loading = self._reader.submit(self._read, job)
        filling = self._filler.submit(lambda: self._fill(loading.result()))
        return self._writer.submit(self._write, job, loading, filling)

    def drop(self) -> None:
        """Fill nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()  # a reader that waits for room

    def close(self) -> None:
        """Drop pictures that were only read, and wait until those that are filled are written."""
        self.drop()
        for stage in (self._reader, self._filler, self._writer):
            stage.shutdown()

    def _read(self, job: Job) -> Loaded:
        """Wait for room in memory, then read a picture and its mask."""
        with self._changed:
            self._changed.wait_for(lambda: self._pixels < PIXELS or self._closed)
        self._check_goes_on()
        loaded = steps.load(job, self._inpainter, self._options, self._hole_of)
        self._count(loaded, 1)
        return loaded

    def _hole_of(self, job: Job) -> PlannedHole:
        if self._last is None or self._last[0] != job.mask:
            self._last = job.mask, steps.read_hole(job, self._inpainter, self._options)
        return self._last[1]

    def _fill(self, loaded: Loaded) -> Filled:
        """Run the network."""
        self._check_goes_on()
        return steps.fill(loaded, self._inpainter)

    def _write(self, job: Job, loading: Future[Loaded], filling: Future[Filled]) -> Outcome:
        """Write a result; its picture leaves the memory."""
        try:
            steps.store(filling.result())
        except FATAL:
            raise
        except GiError as error:
            return Outcome(job, str(error))
        finally:
            if loading.exception() is None:
                self._count(loading.result(), -1)
        return Outcome(job)

    def _check_goes_on(self) -> None:
        if self._closed or self._stop():
            raise Dropped

    def _count(self, loaded: Loaded, sign: int) -> None:
        with self._changed:
            self._pixels += sign * max(loaded.hole.hole.size, LEAST)
            self._changed.notify_all()
