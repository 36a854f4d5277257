"""The jobs of a folder run: pair each picture with its mask and its result file, and find the results that are up to date."""

from __future__ import annotations

import stat
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from .. import files
from ..atomic import PARTIAL
from ..box import Box
from ..errors import ImageError
from ..files.formats import is_lossy, picture_suffixes
from .pairing import Pair, paired, paired_files, pictures_of

ABANDONED = 3600  # a temporary file that was not written to for so many seconds is abandoned


@dataclass(frozen=True)
class Job:
    """One picture to fill."""

    image: Path
    mask: Path | None  # None if the picture has no mask
    output: Path
    problem: str = ""  # why the picture has no mask
    found: bool = False  # whether the mask is no file: it is made of `boxes`, or found in the picture
    boxes: tuple[Box, ...] = ()  # what is to be filled, if there is no mask


def jobs_of(image: Path, mask: Path | None, output: Path, mask_suffix: str = "", *, in_place: bool = False) -> list[Job]:
    """Pair each picture with its mask and its result file.

    For one picture, `mask` is one file. For a folder, it is one file for all pictures, or a folder of masks with the names of the pictures,
    or with these and "_mask" or "-mask"; names are compared without suffix. If it is None, the masks are no files, see `Job.found`.

    Sub-folders are searched, and results keep the folder tree. Hidden files and folders, links to folders, and the folders of masks and
    results, if they are inside `image`, are skipped.

    :param mask_suffix: what the names of masks have behind those of the pictures, instead of "_mask" or "-mask" or nothing.
    :param in_place: whether the result may replace its picture (one picture only).
    :raises ImageError: if a path does not exist, a folder holds no picture, results would overwrite pictures or masks, or a folder of masks
        is given for one picture.
    """
    _check_exist(image, mask)
    if not image.is_dir():
        if mask is not None and mask.is_dir():
            raise ImageError(f"{mask} is a folder, {image} is not: expected one mask file for one image")
        return [_single(image, mask, output / files.output_name(image) if output.is_dir() else output, in_place=in_place)]
    _check_folder(output, image, mask)
    pairs = _pairs(image, mask, output, mask_suffix)
    if not pairs:
        raise ImageError(f"{image}: there is no picture in this folder")
    results = [pair.picture.with_name(files.output_name(image / pair.picture)) for pair in pairs]
    uses = Counter(results)
    return [
        Job(
            image / pair.picture,
            None if pair.mask is None or mask is None else mask / pair.mask,
            output / _unique(pair.picture, result, uses),
            pair.problem,
            found=mask is None,
        )
        for pair, result in zip(pairs, results, strict=True)
    ]


def jobs_of_files(images: Sequence[Path], mask: Path | None, output: Path, mask_suffix: str = "") -> list[Job]:
    """Pair several picture files with their masks and their result files in the folder `output`; arguments as for `jobs_of`.

    :raises ImageError: if a path does not exist or is a folder, two results would have one name, or a result would replace a picture or
        its mask.
    """
    _check_exist(*images, mask)
    if folder := next(filter(Path.is_dir, images), None):
        raise ImageError(f"{folder} is a folder: expected picture files, or one folder alone")
    if output.is_file() or (not output.exists() and output.suffix.lower() in picture_suffixes()):
        raise ImageError(f"{output} is no folder: expected one for the results of {len(images)} pictures")
    pairs = paired_files(images, mask, mask_suffix) if mask is not None and mask.is_dir() else [Pair(path, mask) for path in images]
    results = [Path(files.output_name(path)) for path in images]
    uses = Counter(results)
    outputs = [output / _unique(Path(path.name), result, uses) for path, result in zip(images, results, strict=True)]
    _check_results(images, outputs, mask)
    return [Job(pair.picture, pair.mask, path, pair.problem, found=mask is None) for pair, path in zip(pairs, outputs, strict=True)]


def check_not_overwritten(path: Path, /, **others: Path) -> None:
    """Check that a file to write is none of other files, given by what they are, e.g. `mask=path`.

    :raises ImageError: if it is.
    """
    for name, other in others.items():
        if path.resolve() == other.resolve() or (path.exists() and other.exists() and path.samefile(other)):
            hint = ", or replace the picture (--in-place)" if name == "picture" else ""
            raise ImageError(f"{path} is the {name.replace('_', ' ')} and would be overwritten: give another name{hint}")


def is_finished(job: Job) -> bool:
    """Return whether a job's result exists and is no older than its picture and its mask (results are written atomically)."""
    try:
        result = job.output.stat()
        sources = [path.stat().st_mtime_ns for path in (job.image, job.mask) if path is not None]
    except OSError:
        return False  # a missing picture or mask is reported when it is read
    return (job.found or job.mask is not None) and stat.S_ISREG(result.st_mode) and max(sources) <= result.st_mtime_ns


def remove_abandoned(jobs: Iterable[Job]) -> None:
    """Remove the temporary files that a killed run left in the folders of the results."""
    for folder in {job.output.parent for job in jobs}:
        for path in folder.glob(f"{PARTIAL}*"):
            with suppress(OSError):  # another process removed it, or it belongs to another user
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()


def _check_exist(*paths: Path | None) -> None:
    for path in paths:
        if path is not None and not path.exists():
            raise ImageError(f"{path}: there is no such file or folder{_hint(path)}")


def _hint(path: Path) -> str:
    """Return the end of a message about a path that does not exist: the nearest name in its folder."""
    folder = path.parent
    if not folder.is_dir():
        return f", nor a folder {folder}"
    near = get_close_matches(path.name, [other.name for other in folder.iterdir()], 1)
    return f"; did you mean {folder / near[0]}?" if near else ""


def _check_results(images: Sequence[Path], outputs: Sequence[Path], mask: Path | None) -> None:
    """Check that every picture has a result of its own, which replaces none of the files that are read."""
    made = dict[Path, Path]()
    for image, output in zip(images, outputs, strict=True):
        if output in made:
            raise ImageError(f"{made[output]} and {image} would both become {output}: fill them apart, or give the folder that holds both")
        made[output] = image
        check_not_overwritten(output, picture=image, **({} if mask is None else {"mask": mask}))


def _single(image: Path, mask: Path | None, output: Path, *, in_place: bool) -> Job:
    """Return the job of one picture.

    :raises ImageError: if the picture is its own mask, or the result would overwrite the mask, or the picture without leave or with loss.
    """
    if mask is not None:
        if mask.samefile(image):
            raise ImageError(f"{image} was given as the picture and as its mask: give a mask of its own, white where pixels are missing")
        check_not_overwritten(output, mask=mask)
    if not in_place:
        check_not_overwritten(output, picture=image)
    elif is_lossy(image):
        raise ImageError(f"{image} has a lossy format, --in-place would change known pixels: write {files.output_name(image)} instead")
    return Job(image, mask, output, found=mask is None)


def _pairs(image: Path, mask: Path | None, output: Path, mask_suffix: str) -> list[Pair]:
    """Pair the pictures of a folder with paths inside a folder of masks; with "." for all of them if `mask` is one file, or None."""
    if mask is not None and mask.is_dir():
        return paired(image, mask, output, mask_suffix)
    return [Pair(path, Path()) for path in pictures_of(image, *(path for path in (mask, output) if path is not None))]


def _check_folder(output: Path, image: Path, mask: Path | None) -> None:
    if output.exists() and not output.is_dir():
        raise ImageError(f"{output} is a file: expected a folder for the results of the folder {image}")
    for folder, content in ((image, "pictures"), (mask, "masks")):
        if folder is not None and output.resolve() == folder.resolve():
            raise ImageError(f"{output} holds the {content}, results would overwrite them: give another folder for the results")


def _unique(path: Path, result: Path, uses: Counter[Path]) -> Path:
    """Return a unique name for a result: beside a.png, the result of a.jpg is a.jpg.png."""
    return result if uses[result] == 1 or result == path else path.with_name(f"{path.name}{result.suffix}")
