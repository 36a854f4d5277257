"""Folders of pictures: pair every picture with its mask and its result, and tell which results are there already."""

from __future__ import annotations

import os
import stat
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from .. import files
from ..atomic import PARTIAL
from ..errors import ImageError

ABANDONED = 3600  # seconds since the last write to a temporary file after which nobody is writing it


@dataclass(frozen=True)
class Job:
    """One picture to fill."""

    image: Path
    mask: Path | None  # None: there is no mask for it
    output: Path


def jobs_of(image: Path, mask: Path, output: Path) -> list[Job]:
    """Pair pictures with masks: a file with a file; a folder with one mask for all, or with a folder of masks of the same names.

    Folders are searched in depth, and the results keep their tree. Names are compared without suffix. Hidden files and folders, links
    to folders, and the folders of masks and results, should they stand inside of `image`, are left out.

    :raises ImageError: if one of them is missing, a folder holds no picture, the results would take the place of pictures or masks, or a
        folder of masks is given for one picture.
    """
    for path in (image, mask):
        if not path.exists():
            raise ImageError(f"{path}: there is no such file")
    if not image.is_dir():
        if mask.is_dir():
            raise ImageError(f"{mask} is a folder, {image} is not: expected one mask file for one image")
        return [Job(image, mask, output / files.output_name(image) if output.is_dir() else output)]
    _check_folder(output, image, mask)
    pictures = list(_pictures(image, mask, output))
    if not pictures:
        raise ImageError(f"{image}: there is no picture in this folder")
    masks = {path.with_suffix(""): mask / path for path in _pictures(mask, image, output)} if mask.is_dir() else None
    results = [path.with_name(files.output_name(image / path)) for path in pictures]
    wanted = Counter(results)
    return [
        Job(image / path, mask if masks is None else masks.get(path.with_suffix("")), output / _unique(path, result, wanted))
        for path, result in zip(pictures, results, strict=True)
    ]


def is_finished(job: Job) -> bool:
    """Whether a job's result is there, and no older than its picture and its mask. Results appear whole, so what is there is complete."""
    try:
        made = job.output.stat()
        sources = [path.stat().st_mtime_ns for path in (job.image, job.mask) if path is not None]
    except OSError:
        return False  # what is wrong with a source is told when it is read
    return job.mask is not None and stat.S_ISREG(made.st_mode) and max(sources) <= made.st_mtime_ns


def remove_abandoned(jobs: Iterable[Job]) -> None:
    """Remove temporary files that a killed run left where the results go."""
    for folder in {job.output.parent for job in jobs}:
        for path in folder.glob(f"{PARTIAL}*"):
            with suppress(OSError):  # it is gone by now, or another's
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()


def _check_folder(output: Path, image: Path, mask: Path) -> None:
    if output.exists() and not output.is_dir():
        raise ImageError(f"{output} is a file: expected a folder for the results of {image}")
    for folder, content in ((image, "pictures"), (mask, "masks")):
        if output.resolve() == folder.resolve():
            raise ImageError(f"{output} holds the {content}, which results would replace: expected another folder for the results")


def _unique(path: Path, result: Path, results: Counter[Path]) -> Path:
    """Two sources such as a.jpg and a.png may want one name: the one whose format changes keeps its old suffix in it."""
    return result if results[result] == 1 or result == path else path.with_name(f"{path.name}{result.suffix}")


def _pictures(folder: Path, *others: Path) -> Iterator[Path]:
    """The pictures below a folder, as paths relative to it, in order."""
    known, left_out = Image.registered_extensions(), {other.resolve() for other in others}
    for name, folders, names in os.walk(folder, onerror=_raise):
        here = Path(name)
        folders[:] = sorted(inner for inner in folders if not inner.startswith(".") and (here / inner).resolve() not in left_out)
        paths = (here / inner for inner in sorted(names) if not inner.startswith("."))
        yield from (path.relative_to(folder) for path in paths if path.suffix.lower() in known and path.is_file())


def _raise(error: OSError) -> None:
    raise error
