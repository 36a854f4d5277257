"""A pipeline that fills many picture files: reading, filling and writing overlap.

One thread reads ahead, one thread per stream of the engine fills, other threads write. Decoders, engine and encoders release the GIL.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ..config import Config
from ..errors import ConfigError, EngineMissing, GiError, ModelError
from ..inpainter import Inpainter
from ..options import Options
from . import steps
from .jobs import Job
from .steps import Filled, Loaded, MaskFile, Outcome

FATAL = (ConfigError, ModelError, EngineMissing)  # errors that affect the whole run, not one picture
STREAMS = 4  # largest default number of pictures filled at once; each takes memory in the engine
AHEAD = 12  # largest number of pictures in the pipeline
WRITERS = 4  # writing threads, beside one per stream that waits for its picture: with a fast engine, encoding takes longest
PIXELS = 2**26  # no further picture is read while the pictures in memory hold so many pixels
LEAST = PIXELS // 16  # a smaller picture counts as so many pixels, which bounds the number of pictures in memory


class Dropped(Exception):
    """The run was stopped before this picture was filled."""


def never_stop() -> bool:
    """Stop condition that never asks to stop."""
    return False


def for_many(config: Config) -> Config:
    """Return the settings for many pictures: if [engine] streams is 0, one stream per core, at most `STREAMS`."""
    return replace(config, engine=replace(config.engine, streams=config.engine.streams or min(config.engine.cores(), STREAMS)))


def run(jobs: Iterable[Job], inpainter: Inpainter, options: Options, stop: Callable[[], bool] = never_stop) -> Generator[Outcome]:
    """Fill pictures and yield one outcome per job, in the order of the jobs; a picture that fails does not end the run.

    :param inpainter: fills one picture at a time per stream of its engines.
    :param stop: called before each step. Once it returns True, pictures that are filled are still written, pictures that were only read
        are dropped, and the run ends. Closing the generator does the same.
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
        inpainter.close()  # ends the filling of a picture with many windows at the next window
        raise
    finally:
        stages.close()


class _Stages:
    """The three stages of a run, each with its own threads; a stage waits for the result, or the error, of the stage before it."""

    def __init__(self, inpainter: Inpainter, options: Options, stop: Callable[[], bool]) -> None:
        self._inpainter, self._options, self._stop = inpainter, options, stop
        self._last: tuple[Path | None, MaskFile] | None = None  # the last mask, since often all pictures share one
        self._pixels, self._changed, self._closed = 0, threading.Condition(), False
        streams = inpainter.config.engine.streams or 1
        self._reader = ThreadPoolExecutor(1, "gi-plugin reader")
        self._filler = ThreadPoolExecutor(streams, "gi-plugin engine")
        self._writer = ThreadPoolExecutor(streams + WRITERS, "gi-plugin writer")  # `streams` of them wait for pictures being filled

    def start(self, job: Job) -> Future[Outcome]:
        """Send a job through the stages."""
        loading = self._reader.submit(self._read, job)
        filling = self._filler.submit(lambda: self._fill(loading.result()))
        return self._writer.submit(self._write, job, loading, filling)

    def drop(self) -> None:
        """Start no further step."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()  # wakes a reader that waits for room in memory

    def close(self) -> None:
        """Drop pictures that were only read, and wait until filled pictures are written."""
        self.drop()
        for stage in (self._reader, self._filler, self._writer):
            stage.shutdown()

    def _read(self, job: Job) -> Loaded:
        """Wait for room in memory, then read a picture and its mask."""
        with self._changed:
            self._changed.wait_for(lambda: self._pixels < PIXELS or self._closed)
        self._check_not_stopped()
        loaded = steps.load(job, self._inpainter, self._options, self._mask_of)
        self._count(loaded, 1)
        return loaded

    def _mask_of(self, job: Job) -> MaskFile | None:
        """Return the mask of a job; reuse the last one if the file is the same. None: it is found in the picture."""
        if job.found:
            return None
        if self._last is None or self._last[0] != job.mask:
            self._last = job.mask, steps.read_hole(job, self._inpainter, self._options)
        return self._last[1]

    def _fill(self, loaded: Loaded) -> Filled:
        """Run the network."""
        self._check_not_stopped()
        return steps.fill(loaded, self._inpainter)

    def _write(self, job: Job, loading: Future[Loaded], filling: Future[Filled]) -> Outcome:
        """Write a result and release the memory of its picture."""
        try:
            return steps.store(filling.result())
        except FATAL:
            raise
        except GiError as error:
            return Outcome(job, str(error))
        finally:
            if loading.exception() is None:
                self._count(loading.result(), -1)

    def _check_not_stopped(self) -> None:
        if self._closed or self._stop():
            raise Dropped

    def _count(self, loaded: Loaded, sign: int) -> None:
        """Add a picture to the pixels in memory (`sign` 1) or remove it (-1)."""
        with self._changed:
            self._pixels += sign * max(loaded.mask.hole.hole.size, LEAST)
            self._changed.notify_all()
