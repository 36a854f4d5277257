"""What the words of the command line name: pictures, what is missing in them, and the places of the results."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...box import Box
from ...errors import ConfigError, ImageError

WILDCARDS = "*?"  # of patterns; a path with brackets alone is a path
BOX = re.compile(r"(-?\d+),(-?\d+),([1-9]\d*),([1-9]\d*)")


@dataclass(frozen=True)
class Inputs:
    """What is filled: one picture, the pictures of one folder, or several picture files."""

    pictures: tuple[Path, ...]
    several: bool  # picture files whose results go into a folder, even if a pattern matched only one
    mask: Path | None
    boxes: tuple[Box, ...]

    @property
    def folder(self) -> bool:
        """Whether the pictures are those of a folder."""
        return not self.several and self.pictures[0].is_dir()

    @property
    def many(self) -> bool:
        """Whether the results go into a folder."""
        return self.several or self.folder

    def __str__(self) -> str:
        return (
            f"{len(self.pictures)} pictures were given"
            if self.several
            else f"{self.pictures[0]} is {'a folder' if self.folder else 'one picture'}"
        )


def inputs_of(paths: Sequence[Path], mask: Path | None, boxes: Sequence[str], mask_from: str | None) -> Inputs:
    """Sort out which paths are pictures and which one is the mask.

    Two paths are a picture and its mask, unless an option says what is missing; then all are pictures.

    :param paths: pictures, patterns with `*` or a folder; and perhaps the mask.
    :param mask: of the option --mask.
    :param boxes: of the option --box.
    :param mask_from: the plugin that finds the masks.
    :raises ConfigError: if the words contradict each other.
    :raises ImageError: if a pattern matches no file.
    """
    named = [name for name, value in (("--mask", mask), ("--box", boxes), ("--mask-from", mask_from)) if value]
    if len(named) > 1:
        raise ConfigError(f"{' and '.join(named)}: expected one of them, since each says what is missing")
    if not named and len(paths) > 2:
        raise ConfigError(
            f"{len(paths)} paths: expected a picture, its mask and --output RESULT; several pictures also need --mask, --box or --mask-from"
        )
    *pictures, last = paths
    if not named and pictures:
        mask = last
    else:
        pictures.append(last)
    expanded = tuple(path for text in pictures for path in _expanded(text, mask))
    return Inputs(expanded, expanded != tuple(pictures) or len(expanded) > 1, mask, tuple(map(parse_box, boxes)))


def parse_box(text: str) -> Box:
    """Return the box that a text such as "40,30,200,120" names: left, top, width, height in pixels.

    :raises ConfigError: if the text is no box.
    """
    match = BOX.fullmatch(text.replace(" ", ""))
    if match is None:
        raise ConfigError(f"--box {text}: expected x,y,width,height in pixels, for example 40,30,200,120")
    left, top, width, height = map(int, match.groups())
    return Box(top, left, top + height, left + width)


def place_of(inputs: Inputs, output: str | None, *, in_place: bool) -> str:
    """Return where the results go; with --in-place, the picture itself.

    :raises ConfigError: if no place is named, or two are.
    """
    if in_place and inputs.many:
        raise ConfigError(f"--in-place works on one picture, {inputs}: give another folder for the results with --output")
    if in_place and output is not None:
        raise ConfigError("--in-place replaces the picture: leave --output out")
    if in_place:
        return str(inputs.pictures[0])
    if output is None:
        raise ConfigError("there is no place for the result: give --output, or --in-place to replace the picture")
    if output == "-" and inputs.many:
        raise ConfigError(f"--output - writes one picture to standard output, {inputs}: give a folder for the results")
    return output


def names_folder(output: str) -> bool:
    """Return whether a place is a folder, which need not exist: a/ or a folder that exists."""
    return output.endswith(tuple(filter(None, (os.sep, os.altsep)))) or Path(output).is_dir()


def _expanded(path: Path, mask: Path | None) -> Iterator[Path]:
    """Yield the files that a pattern matches, but not the mask; a path without a pattern, or of a file with such a name, as it is."""
    if not set(WILDCARDS) & set(str(path)) or path.exists():
        yield path
        return
    matches = map(Path, glob.glob(str(path), recursive=True))  # noqa: PTH207  # absolute, too
    found = sorted(match for match in matches if match.is_file() and not (mask and mask.exists() and match.samefile(mask)))
    if not found:
        raise ImageError(f"{path}: no file matches this pattern")
    yield from found
