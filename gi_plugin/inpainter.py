"""Arrays in, arrays out: plan the windows, run the engine, write the hole's pixels back."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from gi_plugin.engines import Engine, open_engine

from .arrays import Array, Bools, Floats, Matches
from .config import Config, load_config
from .errors import ConfigError, EngineError, ImageError
from .image import SCAN_ROWS, Picture, check_image, check_mask, check_values, dilated, enlarge
from .planning import Window, plan


@dataclass(frozen=True)
class Options:
    """What a caller may choose per call; every key of a hook call's `options` is one of these."""

    channel_axis: int | None = -1  # where the channels of a three-dimensional image stand
    data_range: tuple[float, float] | None = None  # lowest and highest value of a float image; [0, 1] if not given
    dilate: int | None = None  # pixels by which the hole is grown first; the setting [hook] dilate if not given
    mask_alpha: bool = False  # read the hole from the alpha channel of a mask with four channels

    def __post_init__(self) -> None:
        for name, (test, expected) in _EXPECTED.items():
            value = getattr(self, name)
            if value is not None and not test(value):
                raise ConfigError(f"option {name} = {value!r}: expected {expected}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Options:
        """Options from a mapping.

        :raises ConfigError: if a key is unknown, or its value is none that the option takes.
        """
        known = [entry.name for entry in dataclasses.fields(cls)]
        unknown = [key for key in values if key not in known]
        if unknown:
            raise ConfigError(f"unknown option {unknown[0]!r}: expected one of {', '.join(known)}")
        return cls(**values)


_EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "channel_axis": (lambda value: isinstance(value, Integral), "a whole number"),
    "data_range": (lambda value: np.shape(value) == (2,) and np.asarray(value).dtype.kind in "iuf", "two numbers, (lowest, highest)"),
    "dilate": (lambda value: isinstance(value, Integral) and int(value) >= 0, "0 or more pixels"),
    "mask_alpha": (lambda value: isinstance(value, bool), "True or False"),
}


@dataclass(frozen=True)
class Inpainting:
    """A filled image, and where the network looked."""

    image: Array  # as the input: same shape and dtype
    hole: Bools  # [H, W], True = was missing
    matches: list[tuple[Window, Matches]]  # per window, the best background cell of every cell [S/8 * S/8]


class Inpainter:
    """The network behind its engines, opened when first needed and kept; safe to call from several threads."""

    def __init__(self, config: Config | None = None) -> None:
        self.config = config or load_config()
        self._engines: dict[int, Engine] = {}
        self._lock = threading.Lock()

    def __call__(self, image: Array, mask: Array, **options: Any) -> Array:
        """Fill the hole of an image: see `inpaint`."""
        return self.run(image, mask, Options.of(options)).image

    def run(self, image: Array, mask: Array, options: Options) -> Inpainting:
        """Fill the hole of an image and keep what the attention matched; arguments and errors as for `inpaint`."""
        try:
            return self._run(image, mask, options)
        except MemoryError as error:
            raise EngineError(
                f"not enough memory to fill an image of shape {np.shape(image)}: "
                "cut it into parts, lower [engine] batch, or run fewer workers at once"
            ) from error

    def _run(self, image: Array, mask: Array, options: Options) -> Inpainting:
        source, low, high = check_image(image, options.channel_axis, options.data_range)
        rows, columns = source.shape[:2]
        if rows * columns > self.config.hook.max_pixels:
            limit = self.config.hook.max_pixels
            raise ImageError(f"image has {rows * columns} pixels, the limit is {limit}: raise [hook] max_pixels to allow it")
        hole = self._hole(mask, (rows, columns), options)
        if hole.all():
            raise ImageError("the hole covers the whole image once it is dilated: lower `dilate`")
        check_values(Picture(source, hole, low, high))
        result = np.array(image)
        filled = Picture(check_image(result, options.channel_axis)[0], hole, low, high)
        return Inpainting(result, hole, list(self._fill(filled)))

    def prepare(self, mask: Array, options: Options) -> None:
        """Open the engines that a mask will need; errors as for `inpaint`."""
        for size in {window.size for window in plan(self._hole(mask, mask.shape[:2], options))}:
            self.engine(size)

    def close(self) -> None:
        """Release the engines; a later call opens them again."""
        with self._lock:
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()

    def engine(self, window: int) -> Engine:
        """The engine for windows of `window` pixels, opened at the first call."""
        with self._lock:
            if window not in self._engines:
                self._engines[window] = open_engine(self.config, window)
            return self._engines[window]

    def _hole(self, mask: Array, shape: tuple[int, int], options: Options) -> Bools:
        radius = self.config.hook.dilate if options.dilate is None else options.dilate
        return dilated(check_mask(mask, shape, alpha=options.mask_alpha), radius)

    def _fill(self, picture: Picture) -> Iterator[tuple[Window, Matches]]:
        windows = plan(picture.hole)
        for size in sorted({window.size for window in windows}, reverse=True):  # reduced windows are large ones: keep them first
            engine = self.engine(size)
            views: dict[tuple[int, int, int, int], list[Window]] = {}  # holes of a small image often share a view: it is run once
            for window in windows:
                if window.size == size:
                    views.setdefault((window.top, window.left, window.side, window.scale), []).append(window)
            groups = list(views.values())
            for start in range(0, len(groups), engine.batch):
                yield from _fill_batch(picture, groups[start : start + engine.batch], engine)


def _fill_batch(picture: Picture, groups: list[list[Window]], engine: Engine) -> Iterator[tuple[Window, Matches]]:
    """Run the engine on one view per group, and write what each window of a group owns."""
    views = [picture.window(first.top, first.left, first.side, first.scale) for first, *_ in groups]
    image = np.stack([pixels.transpose(2, 0, 1) for pixels, _ in views])  # [N, 3, S, S]
    mask = np.stack([hole[None] for _, hole in views]).astype(np.float32)  # [N, 1, S, S]
    completed, matches = engine(image, mask)
    if not np.isfinite(completed).all():
        raise EngineError(f"{engine.backend} returned values that are not numbers; try [engine] precision = 'fp32'")
    for group, pixels, found in zip(groups, _grey_where(image, completed), matches, strict=True):
        for window in group:
            _write(picture, window, pixels.transpose(1, 2, 0))
            yield window, found


def _grey_where(image: Floats, completed: Floats) -> Floats:
    """Take the colour out of what is filled in grey views, [N, 3, S, S] each: the network leaves a tint."""
    grey = (image == image[:, :1]).all(axis=(1, 2, 3), keepdims=True)
    return np.where(grey, completed.mean(axis=1, keepdims=True), completed)


def _write(picture: Picture, window: Window, pixels: Floats) -> None:
    own = window.own
    for top in range(own.top, own.bottom, SCAN_ROWS):
        height, width = min(SCAN_ROWS, own.bottom - top), own.right - own.left
        picture.write(top, own.left, enlarge(pixels, window.scale, top - window.top, own.left - window.left, height, width))


_default: Inpainter | None = None
_default_lock = threading.Lock()


def default_inpainter() -> Inpainter:
    """The inpainter of this process, made with the user's settings at the first call."""
    global _default  # noqa: PLW0603  # one per process, so that engines are opened once
    with _default_lock:
        if _default is None:
            _default = Inpainter()
        return _default


def inpaint(image: Array, mask: Array, *, channel_axis: int | None = -1, split_into_regions: bool = False, **options: Any) -> Array:  # noqa: ARG001
    """Fill the hole of an image with the contextual-attention network.

    Called like `skimage.restoration.inpaint_biharmonic`, except that the result keeps the dtype and range of the input.

    :param image: HxW, HxWx1, HxWx3 or HxWx4; uint8, uint16, or float in [0, 1] (or `data_range`). Values in the hole are ignored; alpha is
        carried through.
    :param mask: HxW or HxWx1 (or a colour picture of a mask); bool, integer or float; non-zero (above half of its range) = missing.
    :param channel_axis: where the channels stand in a three-dimensional image.
    :param split_into_regions: accepted and ignored: holes that stand apart always get windows of their own.
    :param options: `data_range`, `dilate`, `mask_alpha`: see `Options`.
    :return: a new array of the image's shape and dtype; every known pixel is bit-identical.
    :raises ImageError: if image or mask cannot be used.
    :raises ConfigError: if an option or a setting is wrong.
    :raises EngineError: if no engine can run, or one fails.
    """
    return default_inpainter()(image, mask, channel_axis=channel_axis, **options)
