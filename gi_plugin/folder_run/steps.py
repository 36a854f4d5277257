"""The steps of filling one picture file: read picture and mask, fill the hole, write the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from .. import attention_map, files
from ..errors import EngineError, EngineMissing, GiError, ImageError
from ..files.formats import check_output
from ..files.picture import PictureFile
from ..inpainter import Inpainter, Inpainting
from ..options import Options
from ..planning import PlannedHole
from .jobs import Job


@dataclass(frozen=True)
class Loaded:
    """A picture file that was read, and where it is to be filled."""

    job: Job
    picture: PictureFile
    hole: PlannedHole
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
    with ThreadPoolExecutor(1, "gi-plugin engine") as beside:  # the engine opens while the picture is decoded
        hole = beside.submit(_plan_and_open, job, inpainter, options)
        loaded = load(job, inpainter, options, lambda _: hole.result())
    filled = fill(loaded, inpainter)
    store(filled)
    if map_path is not None:
        files.write_array(attention_map.draw(filled.result, data_range=loaded.options.data_range), map_path)


def read_hole(job: Job, inpainter: Inpainter, options: Options) -> PlannedHole:
    """Read the mask file of a job, check it and plan its windows.

    :raises ImageError: if there is no such file, or it is no usable mask; the message names the files.
    """
    if job.mask is None:
        raise ImageError(f"{job.image}: there is no mask named {job.image.stem}.*")
    mask = files.read_mask(job.mask, inpainter.config.hook.max_pixels)
    with _naming(job):
        return inpainter.plan(mask, mask.shape[:2], options)


def load(job: Job, inpainter: Inpainter, options: Options, hole_of: Callable[[Job], PlannedHole]) -> Loaded:
    """Read the picture of a job and find its hole.

    :param hole_of: gives the planned hole of a job.
    :raises GiError: if a file cannot be read or used, or the result could not be written.
    """
    check_output(job.output)
    picture = files.read_picture(job.image, inpainter.config.hook.max_pixels)
    hole = hole_of(job)
    with _naming(job):
        hole.check_fits(picture.pixels.shape[:2])
    known = replace(options, channel_axis=-1, data_range=files.value_range(picture.pixels, hole.hole))
    return Loaded(job, picture, hole, known)


def fill(loaded: Loaded, inpainter: Inpainter) -> Filled:
    """Run the network; errors name the files."""
    with _naming(loaded.job):
        return Filled(loaded, inpainter.run(loaded.picture.pixels, loaded.hole, loaded.options))


def store(filled: Filled) -> None:
    """Write the result of a job; the file appears whole or not at all.

    :raises ImageError: if the folder or the format does not allow it.
    """
    files.write_picture(filled.loaded.picture, filled.result.image, filled.result.hole, filled.loaded.job.output)


def _plan_and_open(job: Job, inpainter: Inpainter, options: Options) -> PlannedHole:
    """Read the hole of a job and open the engines for it."""
    hole = read_hole(job, inpainter, options)
    with suppress(GiError, MemoryError):  # reported when the picture is filled
        inpainter.open_engines(hole)
    return hole


@contextmanager
def _naming(job: Job) -> Iterator[None]:
    """Put the names of the files into errors about their pixels."""
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
