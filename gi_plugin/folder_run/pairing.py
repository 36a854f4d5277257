"""Pairing the pictures of a folder with their masks by name."""

from __future__ import annotations

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path

from ..errors import ImageError
from ..files.formats import picture_suffixes

MASK_SUFFIXES = ("_mask", "-mask")  # a mask is named like its picture, or with one of these behind the name


@dataclass(frozen=True)
class Pair:
    """A picture and its mask, as paths inside their folders; without a mask, `problem` says why."""

    picture: Path
    mask: Path | None
    problem: str = ""


def paired(image: Path, mask: Path, output: Path, suffix: str = "") -> list[Pair]:
    """Pair the pictures of the folder `image` with the masks of the folder `mask`, which may be the same.

    :param output: the folder of the results, which is not searched.
    :param suffix: what stands behind the picture's name in the name of its mask; one of `MASK_SUFFIXES`, or nothing, if it is empty.
    :raises ImageError: if pictures and masks are in one folder, and no file is named as a mask.
    """
    suffixes: tuple[str, ...] = (suffix,) if suffix else ("", *MASK_SUFFIXES)
    pictures = list(pictures_of(image, mask, output))
    together = image.resolve() == mask.resolve()
    masks = _by_stem(pictures if together else pictures_of(mask, image, output))
    if together:
        suffixes = tuple(end for end in suffixes if end)
        pictures = [path for path in pictures if not _is_mask(path, suffixes, masks)]
        if masks and not any(_found(path, suffixes, masks) for path in pictures):
            ends = " or ".join(f"a{end}.png" for end in suffixes)
            raise ImageError(f"{image} holds pictures and masks: name the mask of a.png {ends}, or give --mask-suffix or a folder of masks")
    return [_pair(path, suffixes, masks, mask) for path in pictures]


def paired_files(images: Sequence[Path], mask: Path, suffix: str = "") -> list[Pair]:
    """Pair picture files with the masks of a folder, by their names without folders; arguments as for `paired`.

    :return: pairs of paths as they were given, and of paths with the folder.
    """
    masks = _by_stem(pictures_of(mask))
    pairs = [_pair(Path(image.name), (suffix,) if suffix else ("", *MASK_SUFFIXES), masks, mask) for image in images]
    return [replace(pair, picture=image, mask=pair.mask and mask / pair.mask) for pair, image in zip(pairs, images, strict=True)]


def pictures_of(folder: Path, *others: Path) -> Iterator[Path]:
    """Yield the pictures in a folder and its sub-folders in sorted order, as paths relative to it; skip the folders `others`."""
    suffixes, skipped = picture_suffixes(), {other.resolve() for other in others} - {folder.resolve()}
    for parent, folders, names in os.walk(folder, onerror=_raise):
        here = Path(parent)
        folders[:] = sorted(name for name in folders if not name.startswith(".") and (here / name).resolve() not in skipped)
        paths = (here / name for name in sorted(names) if not name.startswith("."))
        yield from (path.relative_to(folder) for path in paths if path.suffix.lower() in suffixes and path.is_file())


def _pair(path: Path, suffixes: Iterable[str], masks: Mapping[str, list[Path]], folder: Path) -> Pair:
    found = _found(path, suffixes, masks)
    if len(found) == 1:
        return Pair(path, found[0])
    if found:
        return Pair(path, None, f"has {len(found)} masks, {' and '.join(str(folder / other) for other in found)}: keep one of them")
    names = get_close_matches(_stem(path), masks, 1, 0.5)
    nearest = f"; the nearest name is {masks[names[0]][0].name}" if names else ""
    ends = " or ".join(f"{path.stem}{end}.*" for end in suffixes)
    return Pair(path, None, f"there is no mask named {ends} in {folder / path.parent}{nearest}")


def _found(path: Path, suffixes: Iterable[str], masks: Mapping[str, list[Path]]) -> list[Path]:
    """Return the masks of a picture: those of the first suffix that has any."""
    return next((masks[f"{_stem(path)}{end}"] for end in suffixes if f"{_stem(path)}{end}" in masks), [])


def _is_mask(path: Path, suffixes: Iterable[str], files: Mapping[str, list[Path]]) -> bool:
    """Return whether a file is the mask of another one in the same folder."""
    stem = _stem(path)
    return any(stem.endswith(end) and stem.removesuffix(end) in files for end in suffixes)


def _by_stem(paths: Iterable[Path]) -> dict[str, list[Path]]:
    found = defaultdict(list)
    for path in paths:
        found[_stem(path)].append(path)
    return dict(found)


def _stem(path: Path) -> str:
    """Return a path without suffix, in one spelling: an accent may be a character of its own or not."""
    return unicodedata.normalize("NFC", str(path.with_suffix("")))


def _raise(error: OSError) -> None:
    raise error
