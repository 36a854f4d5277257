"""The mask sets of the evaluation: seeded holes of crops, thick ones as in the paper and thin ones as in old and damaged photos."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gi_plugin.arrays import Bools
from gi_plugin.errors import ConfigError

from ..data import masks

SIZE = 256  # side of the crops, as in the paper
LARGE_SIZE, LARGE_CENTER = 512, 224  # side of the large crops and of the hole in their middle: fewer pixels than half the side would make
AREA_BINS = ((0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4))  # share of the crop that a free-form hole covers
SPECKS, SPECK_SIDES = 150, (1, 3)  # per crop; smallest and largest side, in pixels
SCRATCHES, SCRATCH_WIDTHS = (4, 8), (2, 4)  # smallest and largest: number per crop, thickness in pixels
WIRES, WIRE_WIDTHS = (1, 3), (2, 5)  # likewise
DEAD_PIXELS, DEAD_PAIRS, DEAD_LINES = 100, 6, 0.3  # singles and pairs per crop; share of crops with a dead row or column
LETTERS = ((20, 0), (26, 0), (32, 0), (22, 1), (26, 1))  # size and outline of the writing, in pixels: strokes of 2 to 4 px
MARGINS = (6, 24)  # between writing and border, in pixels
SUBTITLES = ("I never said so.", "Where were you", "all these years?", "It rained in June", "We leave at dawn", "Look, over there!")
Draw = Callable[[np.random.Generator, int], Bools]  # (random numbers, number of the hole) -> hole


@dataclass(frozen=True)
class MaskSet:
    """Holes of one kind."""

    size: int  # side S of the crops, in pixels
    draw: Draw  # draws a hole [S, S]


def set_named(name: str) -> MaskSet:
    """Return the mask set with this name.

    :raises ConfigError: if the name is unknown.
    """
    if name not in MASK_SETS:
        raise ConfigError(f"unknown mask set {name!r}: expected {', '.join(MASK_SETS)}")
    return MASK_SETS[name]


def hole_of(name: str, number: int) -> Bools:
    """Return hole number `number` of a mask set, [S, S] bool; it is the same in every run.

    :raises ConfigError: if the name is unknown.
    """
    draw = set_named(name).draw
    return draw(np.random.default_rng((list(MASK_SETS).index(name), number)), number)


def _free_form(random: np.random.Generator, number: int) -> Bools:
    low, high = AREA_BINS[number % len(AREA_BINS)]
    while True:
        hole = np.zeros((SIZE, SIZE), np.bool_)
        while hole.mean() <= low:
            hole |= masks.free_form(random, SIZE, SIZE // 40, SIZE // 9)
        if hole.mean() <= high:
            return hole


def _specks(random: np.random.Generator, _number: int) -> Bools:
    hole = np.zeros((SIZE, SIZE), np.bool_)
    for _ in range(SPECKS):
        side = _between(random, SPECK_SIDES)
        top, left = random.integers(0, SIZE - side + 1, 2)
        hole[top : top + side, left : left + side] = True
    return hole


def _scratches(random: np.random.Generator, _number: int) -> Bools:
    """Chains of straight pieces; a chain may leave the crop."""
    canvas = Image.new("1", (SIZE, SIZE))
    for _ in range(_between(random, SCRATCHES)):
        turns = random.uniform(0, 2 * np.pi) + random.normal(0, 0.8, random.integers(2, 7)).cumsum()
        pieces = random.uniform(10, SIZE / 4, len(turns)) * np.array([np.cos(turns), np.sin(turns)])
        corners = random.uniform(0, SIZE, 2) + np.cumsum(pieces.T, axis=0)
        ImageDraw.Draw(canvas).line(corners.ravel().tolist(), fill=1, width=_between(random, SCRATCH_WIDTHS), joint="curve")
    return np.asarray(canvas)


def _wires(random: np.random.Generator, _number: int) -> Bools:
    """Straight lines from one side of the crop to the opposite one."""
    canvas = Image.new("1", (SIZE, SIZE))
    for _ in range(_between(random, WIRES)):
        start, end = random.integers(0, SIZE, 2).tolist()
        ends = ((0, start), (SIZE - 1, end)) if random.random() < 0.5 else ((start, 0), (end, SIZE - 1))
        ImageDraw.Draw(canvas).line(ends, fill=1, width=_between(random, WIRE_WIDTHS))
    return np.asarray(canvas)


def _writing(random: np.random.Generator, _number: int) -> Bools:
    """A date in the lower right corner, or one or two lines at the bottom in the middle."""
    canvas = Image.new("1", (SIZE, SIZE))
    size, outline = LETTERS[random.integers(len(LETTERS))]
    margin = _between(random, MARGINS)
    dated = random.random() < 0.5
    place = (SIZE - margin if dated else SIZE // 2, SIZE - margin)
    text = _date(random) if dated else "\n".join(random.choice(SUBTITLES, random.integers(1, 3), replace=False))
    font, anchor = ImageFont.load_default(size), "rd" if dated else "md"
    ImageDraw.Draw(canvas).multiline_text(place, text, 1, font, anchor, align="center", stroke_width=outline)
    return np.asarray(canvas)


def _date(random: np.random.Generator) -> str:
    year, month, day, hour, minute = random.integers((0, 1, 1, 0, 0), (100, 13, 29, 24, 60))
    return f"'{year:02} {month:>2} {day:>2}" if random.random() < 0.5 else f"{day}.{month}.{year:02}  {hour}:{minute:02}"


def _dead_pixels(random: np.random.Generator, _number: int) -> Bools:
    hole = np.zeros((SIZE, SIZE), np.bool_)
    rows, columns = random.integers(0, SIZE - 1, (2, DEAD_PIXELS + DEAD_PAIRS))
    hole[rows, columns] = True
    across = random.random(DEAD_PAIRS) < 0.5
    hole[rows[:DEAD_PAIRS] + ~across, columns[:DEAD_PAIRS] + across] = True
    if random.random() < DEAD_LINES:
        lines = hole if random.random() < 0.5 else hole.T
        lines[random.integers(SIZE)] = True
    return hole


def _between(random: np.random.Generator, limits: tuple[int, int]) -> int:
    return int(random.integers(limits[0], limits[1] + 1))


MASK_SETS: Mapping[str, MaskSet] = {  # the place in this list seeds the holes, so new sets come last
    "center": MaskSet(SIZE, lambda _random, _number: masks.center(SIZE, SIZE // 2)),
    "random": MaskSet(SIZE, lambda random, _number: masks.rectangle(random, SIZE, 3 * SIZE // 8, SIZE // 2)),
    "freeform": MaskSet(SIZE, _free_form),
    "center512": MaskSet(LARGE_SIZE, lambda _random, _number: masks.center(LARGE_SIZE, LARGE_CENTER)),
    "specks": MaskSet(SIZE, _specks),
    "scratches": MaskSet(SIZE, _scratches),
    "wires": MaskSet(SIZE, _wires),
    "writing": MaskSet(SIZE, _writing),
    "dead-pixels": MaskSet(SIZE, _dead_pixels),
}
PAPER_SETS = ("center", "random", "freeform")  # of the size that the paper uses
