"""Fill the frames of a sequence that stands in a folder, one picture file per frame in the order of their names."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain, tee

from ..arrays import Array
from ..image import check_image
from ..inpainter import Inpainter, Inpainting
from ..inputs.value_range import value_range
from ..options import Options
from . import steps
from .jobs import Job
from .steps import Filled, Loaded, Outcome

FillFrames = Callable[[Iterable[Array], Iterable[Array], Options], Iterator[Array]]  # frames, masks and options


def run_sequence(
    jobs: Iterable[Job], inpainter: Inpainter, fill_frames: FillFrames, options: Options, stop: Callable[[], bool]
) -> Iterator[Outcome]:
    """Fill frames and yield one outcome per frame, in their order.

    :param inpainter: plans the holes.
    :param fill_frames: fills frames, which are read when it asks for them.
    :param stop: called before each result is written; the run ends when it returns True.
    :raises GiError: if a frame cannot be read, filled or written: the rest of the sequence depends on it.
    """
    waiting: deque[Loaded] = deque()

    def load(job: Job) -> Loaded:
        loaded = steps.load(job, inpainter, options, lambda job: None if job.found else steps.read_hole(job, inpainter, options))
        waiting.append(loaded)
        return loaded

    loads = map(load, jobs)
    first = next(loads)
    frames, masks = tee(chain((first,), loads))
    data_range = value_range(check_image(first.picture.pixels), first.mask.hole.hole, first.options.data_range)
    known = replace(options, channel_axis=-1, data_range=data_range, mask_alpha=False, invert_mask=False, dilate=0)
    for filled in fill_frames((loaded.picture.pixels for loaded in frames), (loaded.mask.hole.hole for loaded in masks), known):
        if stop():
            return
        loaded = waiting.popleft()
        yield steps.store(Filled(loaded, Inpainting(filled, loaded.mask.hole.hole, [], data_range)))
