"""Folders of pictures: pair every image with its mask, fill them one after the other, name those that failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from PIL import Image

from gi_plugin import attention_map, files
from gi_plugin.errors import ConfigError, EngineMissing, GiError, ImageError, ModelError
from gi_plugin.image import check_mask
from gi_plugin.inpainter import Inpainter, Options


@dataclass(frozen=True)
class Job:
    """One picture to fill."""

    image: Path
    mask: Path | None  # None: there is no mask for it
    output: Path


@dataclass(frozen=True)
class Outcome:
    """What became of a job; `error` is empty if the output was written."""

    job: Job
    error: str = ""


def jobs_of(image: Path, mask: Path, output: Path) -> list[Job]:
    """Pair images with masks: a file with a file; a folder with one mask for all, or with a folder of masks of the same stems.

    :raises ImageError: if one of them is missing, a folder holds no picture, or a folder of masks is given for one image.
    """
    for path in (image, mask):
        if not path.exists():
            raise ImageError(f"{path}: there is no such file")
    if not image.is_dir():
        if mask.is_dir():
            raise ImageError(f"{mask} is a folder, {image} is not: expected one mask file for one image")
        return [Job(image, mask, output / files.output_name(image) if output.is_dir() else output)]
    if output.exists() and not output.is_dir():
        raise ImageError(f"{output} is a file: expected a folder for the results of {image}")
    pictures = _pictures(image)
    if not pictures:
        raise ImageError(f"{image}: there is no picture in this folder")
    masks = {path.stem: path for path in _pictures(mask)} if mask.is_dir() else None
    names = [files.output_name(path) for path in pictures]
    wanted = Counter(names)
    return [
        Job(path, mask if masks is None else masks.get(path.stem), output / _unique(path, name, wanted))
        for path, name in zip(pictures, names, strict=True)
    ]


def run(jobs: list[Job], inpainter: Inpainter, options: Options) -> Iterator[Outcome]:
    """Fill the pictures in turn; a failure is an outcome, and the rest goes on.

    :raises GiError: if it would befall every picture: a wrong setting, no network, no engine.
    """
    for job in jobs:
        try:
            fill_file(job, inpainter, options)
        except (ConfigError, ModelError, EngineMissing):
            raise
        except GiError as error:
            yield Outcome(job, str(error))
        else:
            yield Outcome(job)


def fill_file(job: Job, inpainter: Inpainter, options: Options, map_path: Path | None = None) -> None:
    """Fill one picture file; optionally draw its attention map beside it.

    :raises GiError: if a file cannot be read, used or written.
    """
    if job.mask is None:
        raise ImageError(f"{job.image}: there is no mask named {job.image.stem}.*")
    for path in (job.output, map_path):
        if path is not None:
            files.check_output(path)
    limit = inpainter.config.hook.max_pixels
    picture = files.read_picture(job.image, limit)
    mask = files.read_mask(job.mask, limit)
    try:
        hole = check_mask(mask, picture.pixels.shape[:2], alpha=options.mask_alpha)
        options = replace(options, channel_axis=-1, data_range=files.value_range(picture.pixels, hole), mask_alpha=False)
        result = inpainter.run(picture.pixels, hole, options)
    except ImageError as error:
        raise ImageError(f"{job.image} with {job.mask.name}: {error}") from error
    files.write_picture(picture, result.image, result.hole, job.output)
    if map_path is not None:
        files.write_array(attention_map.draw(result, data_range=options.data_range), map_path)


def _unique(path: Path, name: str, names: Counter[str]) -> str:
    """Two sources such as a.jpg and a.png may want one name: the one whose format changes keeps its old suffix in it."""
    return name if names[name] == 1 or name == path.name else f"{path.name}{Path(name).suffix}"


def _pictures(folder: Path) -> list[Path]:
    known = Image.registered_extensions()
    return sorted(path for path in folder.iterdir() if path.is_file() and path.suffix.lower() in known and not path.name.startswith("."))
