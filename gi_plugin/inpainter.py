"""Arrays in, arrays out: plan the windows, run the engine, write the hole's pixels back."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gi_plugin.engines import Engine, open_engine

from .arrays import Array, Bools
from .config import Config, Detail, config_source, load_config
from .containers import unwrap
from .errors import EngineError, ImageError
from .filling import Control, Piece, TransferSettings, copied, fill, in_order
from .image import Picture, check_image, check_mask, check_values
from .options import Options, Stoppable, names_nearest_keyword
from .planning import PlannedHole, plan_hole

WARM_SIDE, WARM_HOLES = 320, (16, 120)  # pixels: sides of the picture and of the holes that `warm_up` fills, one for each window size
EngineOpener = Callable[[Config, int], Engine]  # takes the settings and the side of the windows


@dataclass(frozen=True)
class Inpainting:
    """A filled image, and where the network looked."""

    image: Array  # as the input: same shape and dtype
    hole: Bools  # [H, W], True = was missing
    pieces: list[Piece]  # the parts of the hole, and where their pixels came from


class Inpainter:
    """The network behind its engines, which are opened when first needed and kept; safe to call from several threads.

    :param config: the settings; None reads those of the user.
    :param open_engine: opens the engine for windows of one size.
    """

    def __init__(self, config: Config | None = None, open_engine: EngineOpener = open_engine) -> None:
        self.config = config or load_config()
        self._open_engine = open_engine
        self._engines: dict[int, Engine] = {}
        self._lock = threading.Lock()

    @names_nearest_keyword
    def __call__(
        self,
        image: Array,
        mask: Array,
        *,
        channel_axis: int | None = -1,
        data_range: tuple[float, float] | None = None,
        dilate: int | None = None,
        mask_alpha: bool = False,
        detail: Detail | None = None,
        sources: Array | None = None,
        seed: int = 0,
        channel_order: str = "rgb",
        cancel: Stoppable | None = None,
        deadline: float | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Array:
        """Fill the hole of an image: see `inpaint`."""
        given = unwrap(image, mask, channel_axis)
        choices = (data_range, dilate, mask_alpha, detail, sources, seed, channel_order, cancel, deadline, progress)
        filled: Array = given.wrap(self.run(given.image, given.mask, Options(given.channel_axis, *choices)).image)
        return filled

    def plan(self, mask: Array, shape: tuple[int, int], options: Options) -> PlannedHole:
        """Check a mask, grow its hole and plan the windows, for one picture of `shape` (rows, columns) or many; errors as for `inpaint`."""
        dilate = self.config.hook.dilate if options.dilate is None else options.dilate
        detail: Detail = options.detail or self.config.hook.detail
        return plan_hole(mask, shape, detail, alpha=options.mask_alpha, dilate=int(dilate))

    def find_mask(self, image: Array, options: Options) -> Array | None:  # noqa: ARG002  # for inpainters with plugins
        """Find what is to be filled in an image that has no mask; None: this inpainter has nothing that finds it."""
        return None

    def open_engines(self, hole: PlannedHole) -> None:
        """Open the engines that a hole needs; errors as for `inpaint`."""
        for size in {window.size for window in hole.windows}:
            self.engine(size)

    def run(self, image: Array, mask: Array | PlannedHole, options: Options) -> Inpainting:
        """Fill the hole of an image and keep what the attention matched; arguments and errors as for `inpaint`.

        :param mask: a mask, or what `plan` made of one.
        """
        try:
            return self._run(image, mask, options)
        except MemoryError as error:
            raise EngineError(
                f"not enough memory to fill an image of shape {np.shape(image)}: "
                "cut it into parts, lower [engine] batch, or run fewer workers at once"
            ) from error

    def _run(self, image: Array, mask: Array | PlannedHole, options: Options) -> Inpainting:
        control = Control(options.cancel, options.deadline, options.progress)
        source, low, high = check_image(image, options.channel_axis, options.data_range)
        rows, columns = source.shape[:2]
        if rows * columns > self.config.hook.max_pixels:
            limit = self.config.hook.max_pixels
            raise ImageError(f"image has {rows * columns} pixels, the limit is {limit}: raise [hook] max_pixels to allow it")
        planned = mask if isinstance(mask, PlannedHole) else self.plan(mask, (rows, columns), options)
        planned.check_fits((rows, columns))
        check_values(Picture(source, planned.hole, low, high))
        control.check()
        result = copied(image, control)
        filled = Picture(in_order(check_image(result, options.channel_axis)[0], options), planned.hole, low, high, control.check)
        settings = TransferSettings(self._sources(options, (rows, columns)), options.seed, self._threads())
        return Inpainting(result, planned.hole, list(fill(filled, planned, self.engine, settings, control)))

    def _sources(self, options: Options, shape: tuple[int, int]) -> Bools | None:
        if options.sources is None:
            return None
        try:
            return check_mask(options.sources, shape, may_be_full=True)
        except ImageError as error:
            raise ImageError(f"sources: {error}") from error

    def _threads(self) -> int:
        """Threads of the transfer: as many as the engine has for each of its streams."""
        engine = self.config.engine
        return max(engine.cores() // max(engine.streams, 1), 1)

    def warm_up(self, shapes: Iterable[tuple[int, ...]] = ()) -> None:
        """Open the engines and fill a small and a thick hole, so that the next calls need not wait for anything; errors as for `inpaint`.

        :param shapes: of the images to come, such as (480, 640, 3).
        """
        for shape in {(*(min(side, WARM_SIDE) for side in shape[:2]), *shape[2:]) for shape in (*shapes, (WARM_SIDE, WARM_SIDE, 3))}:
            for size in WARM_HOLES:
                if min(shape[:2]) > 2 * size:
                    mask = np.zeros(shape[:2], np.bool_)
                    mask[tuple(slice((side - size) // 2, (side + size) // 2) for side in shape[:2])] = True
                    Inpainter.run(self, np.zeros(shape, np.uint8), mask, Options())

    def close(self) -> None:
        """Release the engines; a later call opens them again.

        It waits until the engines have finished the window that they are working on. Running calls then fail with an `EngineError`; to end
        a single call, use its option `cancel`.
        """
        with self._lock:
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()

    def engine(self, window: int) -> Engine:
        """The engine for windows of `window` pixels, opened at the first call."""
        with self._lock:
            if window not in self._engines:
                self._engines[window] = self._open_engine(self.config, window)
            return self._engines[window]


def current_config() -> Config:
    """Return what `load_config()` reads. A file is read again only if it changed, or GI_PLUGIN_CONFIG names another one."""
    source = config_source()
    return _kept_config(source, source.stat().st_mtime_ns if source is not None and source.exists() else 0)


@functools.lru_cache(maxsize=4)
def _kept_config(source: Path | None, _changed: int) -> Config:
    return load_config(source)


_default: Inpainter | None = None
_default_lock = threading.Lock()


def default_inpainter() -> Inpainter:
    """The inpainter of this process, made with the user's settings at the first call, and anew if the settings have changed since."""
    global _default  # noqa: PLW0603  # one per process, so that engines are opened once
    with _default_lock:
        config = current_config()
        if _default is None or _default.config != config:
            _default = Inpainter(config)  # running calls keep the old one
        return _default


def close_default_inpainter() -> None:
    """Release the engines of `default_inpainter`; the next call reads the settings anew."""
    global _default  # noqa: PLW0603  # as above
    with _default_lock:
        if _default is not None:
            _default.close()
        _default = None


@names_nearest_keyword
def inpaint(
    image: Array,
    mask: Array,
    *,
    channel_axis: int | None = -1,
    data_range: tuple[float, float] | None = None,
    dilate: int | None = None,
    mask_alpha: bool = False,
    detail: Detail | None = None,
    sources: Array | None = None,
    seed: int = 0,
    channel_order: str = "rgb",
    cancel: Stoppable | None = None,
    deadline: float | None = None,
    progress: Callable[[float], None] | None = None,
    split_into_regions: bool = False,  # noqa: ARG001  # see below
) -> Array:
    """Fill the hole of an image with the contextual-attention network.

    Called like `skimage.restoration.inpaint_biharmonic`, except that the result keeps the dtype and range of the input.

    :param image: HxW, HxWx1, HxWx3 or HxWx4; uint8, uint16, or float in [0, 1] (or `data_range`). Values in the hole are ignored; alpha is
        carried through.
    :param mask: HxW or HxWx1 (or a colour picture of a mask); bool, integer or float; non-zero (above half of its range) = missing.
    :param channel_axis: where the channels stand in a three-dimensional image.
    :param data_range: lowest and highest value of a float image; [0, 1] if None.
    :param dilate: pixels by which the hole is grown first; the setting [hook] dilate if None.
    :param mask_alpha: read the hole from the alpha channel of a mask with four channels.
    :param detail: "transfer" takes pixels from the known part of the image, guided by the network; "network" takes the network's own. The
        setting [hook] detail if None.
    :param sources: a mask like `mask`: non-zero = the transfer may take pixels from here; from everywhere that is known if None.
    :param seed: another number gives another result of the transfer.
    :param channel_order: "bgr" if the first channel is blue, as in OpenCV.
    :param cancel: an event; once it is set, the call ends with `Cancelled`. Other calls go on.
    :param deadline: seconds after which the call ends with `Cancelled`.
    :param progress: a function that is called with the share that is done, up to 1.
    :param split_into_regions: accepted and ignored: holes that stand apart always get windows of their own.
    :return: a new array of the image's shape and dtype; every known pixel is bit-identical.
    :raises ImageError: if image or mask cannot be used.
    :raises ConfigError: if the value of an option or a setting is wrong.
    :raises EngineError: if no engine can run, or one fails.
    :raises Cancelled: if the caller cancelled the call, or its deadline passed.
    :raises TypeError: if there is no such option; the message names the nearest.
    """
    choices = (data_range, dilate, mask_alpha, detail, sources, seed, channel_order, cancel, deadline, progress)
    given = unwrap(image, mask, channel_axis)
    filled: Array = given.wrap(default_inpainter().run(given.image, given.mask, Options(given.channel_axis, *choices)).image)
    return filled
