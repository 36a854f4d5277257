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
    """A picture file that was read, with its planned hole."""

    job: Job
    picture: PictureFile
    hole: PlannedHole
    options: Options


@dataclass(frozen=True)
class Filled:
    """A filled picture in memory."""

    loaded: Loaded
    result: Inpainting


def fill_file(job: Job, inpainter: Inpainter, options: Options, map_path: Path | None = None) -> None:
    """Fill one picture file, and draw its attention map to `map_path` if that is given.

    :raises GiError: if a file cannot be read, used or written.
    """
    if map_path is not None:
        check_output(map_path)
    if job.found:
        loaded = load(job, inpainter, options, lambda _: None)
    else:
        with ThreadPoolExecutor(1, "gi-plugin engine") as executor:  # opens the engine while the picture is decoded
            hole = executor.submit(_plan_and_open, job, inpainter, options)
            loaded = load(job, inpainter, options, lambda _: hole.result())
    filled = fill(loaded, inpainter)
    store(filled)
    if map_path is not None:
        files.write_array(attention_map.draw(filled.result, data_range=loaded.options.data_range), map_path)


def read_hole(job: Job, inpainter: Inpainter, options: Options) -> PlannedHole:
    """Read the mask file of a job, check it and plan its windows.

    :raises ImageError: if the file does not exist or is not a usable mask; the message names the files.
    """
    if job.mask is None:
        raise ImageError(f"{job.image}: there is no mask named {job.image.stem}.*")
    mask = files.read_mask(job.mask, inpainter.config.hook.max_pixels)
    with _naming_files(job):
        return inpainter.plan(mask, mask.shape[:2], options)


def load(job: Job, inpainter: Inpainter, options: Options, hole_of: Callable[[Job], PlannedHole | None]) -> Loaded:
    """Read the picture of a job and check that its hole fits.

    :param hole_of: returns the planned hole of a job that has a mask; None: the inpainter finds the mask in the picture.
    :raises GiError: if a file cannot be read or used, or the result cannot be written in the format of its suffix.
    """
    check_output(job.output)
    picture = files.read_picture(job.image, inpainter.config.hook.max_pixels)
    hole = hole_of(job)
    with _naming_files(job):
        hole = hole or _found_hole(picture, inpainter, options)
        hole.check_fits(picture.pixels.shape[:2])
    known = replace(options, channel_axis=-1, data_range=files.value_range(picture.pixels, hole.hole))
    return Loaded(job, picture, hole, known)


def _found_hole(picture: PictureFile, inpainter: Inpainter, options: Options) -> PlannedHole:
    """Let the inpainter find the mask of a picture, and plan its windows."""
    mask = inpainter.find_mask(picture.pixels, options)
    if mask is None:
        raise ImageError("there is no mask, and nothing that finds one")
    return inpainter.plan(mask, mask.shape[:2], replace(options, mask_alpha=False))


def fill(loaded: Loaded, inpainter: Inpainter) -> Filled:
    """Fill the hole of a loaded picture; errors name the files."""
    with _naming_files(loaded.job):
        return Filled(loaded, inpainter.run(loaded.picture.pixels, loaded.hole, loaded.options))


def store(filled: Filled) -> None:
    """Write the result of a job; the file is written atomically.

    :raises ImageError: if the folder is not writable, or the format cannot hold the pixels.
    """
    files.write_picture(filled.loaded.picture, filled.result.image, filled.result.hole, filled.loaded.job.output)


def _plan_and_open(job: Job, inpainter: Inpainter, options: Options) -> PlannedHole:
    """Read the hole of a job and open the engines for its windows."""
    hole = read_hole(job, inpainter, options)
    with suppress(GiError, MemoryError):  # such an error is raised again, and reported, when the picture is filled
        inpainter.open_engines(hole)
    return hole


@contextmanager
def _naming_files(job: Job) -> Iterator[None]:
    """Add the names of the files to errors about their pixels."""
    try:
        yield
    except ImageError as error:
        mask = job.mask.name if job.mask else "the mask that was found" if job.found else "no mask"
        raise ImageError(f"{job.image} with {mask}: {error}") from error
    except EngineMissing:
        raise
    except EngineError as error:
        raise EngineError(f"{job.image}: {error}") from error
    except MemoryError as error:
        raise ImageError(f"{job.image}: too large for the memory of this machine") from error
