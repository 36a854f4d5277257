"""Picture files, filled: one in three steps, or many with the steps overlapped.

One thread reads ahead, as many as the engine has streams fill, others write behind; decoders, engine and encoders release Python's lock.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path

from .. import attention_map, files
from ..arrays import Array, Bools
from ..config import Config
from ..errors import ConfigError, EngineError, EngineMissing, GiError, ImageError, ModelError
from ..files import PictureFile
from ..files.formats import check_output
from ..image import check_mask
from ..inpainter import Inpainter, Inpainting, Options
from .jobs import Job

FATAL = (ConfigError, ModelError, EngineMissing)  # would befall every picture
STREAMS = 4  # pictures that are filled at once at most, unless the settings ask for more: each takes memory in the engine
AHEAD = 12  # pictures on their way, at most
WRITERS = 4  # threads: beside a fast engine, encoding takes longest
PIXELS = 2**26  # once the pictures in memory hold as many, the next one is not read yet
LEAST = PIXELS // 16  # what a picture counts at least, which bounds their number


@dataclass(frozen=True)
class Outcome:
    """What became of a job; `error` is empty if the output was written."""

    job: Job
    error: str = ""


@dataclass(frozen=True)
class Loaded:
    """A picture file that was read, and where it is to be filled."""

    job: Job
    picture: PictureFile
    hole: Bools
    options: Options


@dataclass(frozen=True)
class Filled:
    """A picture whose hole was filled, in memory."""

    loaded: Loaded
    result: Inpainting


def fill_file(job: Job, inpainter: Inpainter, options: Options, map_path: Path | None = None) -> None:
    """Fill one picture file; optionally draw its attention map beside it.

    :raises GiError: if a file cannot be read, used or written.
    """
    if map_path is not None:
        check_output(map_path)
    limit = inpainter.config.hook.max_pixels
    with ThreadPoolExecutor(1, "gi-plugin engine") as beside:  # the picture's decoder leaves time to open the engine
        mask = beside.submit(_read_and_prepare, job, options, inpainter)
        loaded = _load(job, options, limit, lambda _: mask.result())
    filled = Filled(loaded, _fill(loaded, inpainter))
    _store(filled)
    if map_path is not None:
        files.write_array(attention_map.draw(filled.result, data_range=loaded.options.data_range), map_path)


def for_many(config: Config) -> Config:
    """Settings for many pictures: as many streams as cores, `STREAMS` at most, where the settings leave it open."""
    cores = config.engine.threads or (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    return replace(config, engine=replace(config.engine, streams=config.engine.streams or min(cores, STREAMS)))


def run(jobs: Iterable[Job], inpainter: Inpainter, options: Options, stop: object = False) -> Generator[Outcome]:
    """Fill pictures; their outcomes come in the order of the jobs, a failure is an outcome, and the rest goes on.

    :param inpainter: as many pictures are filled at once as its engines have streams.
    :param stop: once it is true, the run ends: what has been filled is written, what has only been read is dropped. Closing the iterator
        does the same.
    :raises GiError: if it would befall every picture: a wrong setting, no network, no engine.
    """
    todo, flying = iter(jobs), deque[Future[Future[Outcome | None]]]()
    stages = _Stages(inpainter, options, stop)
    try:
        while True:
            if not stop:
                flying.extend(stages.start(job) for job in islice(todo, AHEAD - len(flying)))
            if not flying:
                break
            if outcome := flying.popleft().result().result():
                yield outcome
    except KeyboardInterrupt:
        stages.drop()
        inpainter.close()  # a picture of many windows is left at the next of them
        raise
    finally:
        stages.close()


class _Stages:
    """The steps of a run, each with its threads: what fails in one of them passes the others as an outcome, what is dropped as None."""

    def __init__(self, inpainter: Inpainter, options: Options, stop: object) -> None:
        self._inpainter, self._options, self._stop = inpainter, options, stop
        self._limit = inpainter.config.hook.max_pixels
        self._read_mask = lru_cache(maxsize=1)(lambda path: files.read_mask(path, self._limit))  # often one for all
        self._pixels, self._changed, self._closed = 0, threading.Condition(), False
        self._reader = ThreadPoolExecutor(1, "gi-plugin reader")
        self._filler = ThreadPoolExecutor(inpainter.config.engine.streams or 1, "gi-plugin engine")
        self._writer = ThreadPoolExecutor(WRITERS, "gi-plugin writer")

    def start(self, job: Job) -> Future[Future[Outcome | None]]:
        """Send a job through the three steps; the outer result is there once its picture is filled, the inner one once it is written."""
        reading = self._reader.submit(self._read, job)
        return self._filler.submit(lambda: self._writer.submit(self._write, self._fill(reading.result())))

    def drop(self) -> None:
        """Fill nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()  # a reader that waits for room

    def close(self) -> None:
        """Drop what has only been read, and wait until what is filled is written."""
        self.drop()
        for step in (self._reader, self._filler, self._writer):
            step.shutdown()

    def _read(self, job: Job) -> Loaded | Outcome | None:
        """Wait for room in memory, then read a picture and its mask."""
        with self._changed:
            self._changed.wait_for(lambda: self._pixels < PIXELS or self._closed)
        if self._dropping():
            return None
        try:
            loaded = _load(job, self._options, self._limit, self._read_mask)
        except GiError as error:
            return Outcome(job, str(error))
        self._count(loaded, 1)
        return loaded

    def _fill(self, loaded: Loaded | Outcome | None) -> Filled | Outcome | None:
        """Run the network."""
        if not isinstance(loaded, Loaded):
            return loaded
        if self._dropping():
            self._count(loaded, -1)  # for which the reader may wait
            return None
        try:
            return Filled(loaded, _fill(loaded, self._inpainter))
        except FATAL:
            raise
        except GiError as error:
            self._count(loaded, -1)
            return Outcome(loaded.job, str(error))

    def _write(self, filled: Filled | Outcome | None) -> Outcome | None:
        """Write a result; its picture leaves the memory."""
        if not isinstance(filled, Filled):
            return filled
        job = filled.loaded.job
        try:
            _store(filled)
        except GiError as error:
            return Outcome(job, str(error))
        finally:
            self._count(filled.loaded, -1)
        return Outcome(job)

    def _dropping(self) -> bool:
        return self._closed or bool(self._stop)

    def _count(self, loaded: Loaded, sign: int) -> None:
        with self._changed:
            self._pixels += sign * max(loaded.hole.size, LEAST)
            self._changed.notify_all()


def _read_and_prepare(job: Job, options: Options, inpainter: Inpainter) -> Array:
    """Read the mask of a job and open the engines for it."""
    mask = files.read_mask(_mask_of(job), inpainter.config.hook.max_pixels)
    with suppress(GiError, MemoryError):  # told when the picture is filled
        inpainter.prepare(mask, options)
    return mask


def _mask_of(job: Job) -> Path:
    if job.mask is None:
        raise ImageError(f"{job.image}: there is no mask named {job.image.stem}.*")
    return job.mask


def _load(job: Job, options: Options, limit: int, read_mask: Callable[[Path], Array]) -> Loaded:
    mask_path = _mask_of(job)
    check_output(job.output)
    picture = files.read_picture(job.image, limit)
    mask = read_mask(mask_path)
    with _naming(job):
        hole = check_mask(mask, picture.pixels.shape[:2], alpha=options.mask_alpha)
    known = replace(options, channel_axis=-1, data_range=files.value_range(picture.pixels, hole), mask_alpha=False)
    return Loaded(job, picture, hole, known)


def _fill(loaded: Loaded, inpainter: Inpainter) -> Inpainting:
    with _naming(loaded.job):
        return inpainter.run(loaded.picture.pixels, loaded.hole, loaded.options)


def _store(filled: Filled) -> None:
    files.write_picture(filled.loaded.picture, filled.result.image, filled.result.hole, filled.loaded.job.output)


@contextmanager
def _naming(job: Job) -> Iterator[None]:
    """Put the names of the files into what is said of their pixels."""
    try:
        yield
    except ImageError as error:
        raise ImageError(f"{job.image} with {job.mask.name if job.mask else 'no mask'}: {error}") from error
    except EngineMissing:
        raise
    except EngineError as error:
        raise EngineError(f"{job.image}: {error}") from error
    except MemoryError as error:
        raise ImageError(f"{job.image}: too large for the memory of this machine") from error
