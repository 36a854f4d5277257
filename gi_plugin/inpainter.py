"""Arrays in, arrays out: plan the windows, run the engine, write the hole's pixels back."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from gi_plugin.engines import Engine, ThinEngine, open_engine, open_thin_engine

from .arrays import Array, Bools
from .config import Config, Detail, load_config
from .containers import unwrap
from .errors import EngineError, ImageError, MaskWarning, is_shortage
from .filling import Piece, TransferSettings, copied, fill, in_order
from .image import Picture, check_finite, check_image
from .inputs.control import Control
from .inputs.doubts import doubts
from .inputs.masks import check_mask, has_masked_pixels, with_masked_pixels
from .inputs.value_range import Range, value_range
from .options import Options, Stoppable, names_nearest_keyword
from .planning import PlannedHole, plan_hole
from .transfer import transfer

if TYPE_CHECKING:
    from gi_plugin.engines.transfer.gpu_transfer import GpuTransfer

WARM_SIDE, WARM_HOLES = 320, (2, 16, 100, 140)  # pixels: sides of the picture and of the holes that `warm_up` fills, for every engine
EngineOpener = Callable[[Config, int], Engine]  # takes the settings and the side of the windows
ThinOpener = Callable[[Config], ThinEngine]


@dataclass(frozen=True)
class Inpainting:
    """A filled image, and where the network looked."""

    image: Array  # as the input: same shape and dtype
    hole: Bools  # [H, W], True = was missing
    pieces: list[Piece]  # the parts of the hole, and where their pixels came from
    data_range: Range  # the values that the network saw as black and white


class Inpainter:
    """The networks behind their engines, which are opened when first needed and kept; safe to call from several threads.

    :param config: the settings; None reads those of the user.
    :param open_engine: opens the engine for windows of one size.
    :param open_thin_engine: opens the engine for thin holes.
    """

    def __init__(
        self, config: Config | None = None, open_engine: EngineOpener = open_engine, open_thin_engine: ThinOpener = open_thin_engine
    ) -> None:
        self.config = config or load_config()
        self._open_engine, self._open_thin_engine = open_engine, open_thin_engine
        self._engines: dict[int, Engine] = {}
        self._thin_engine: ThinEngine | None = None
        self._gpu_transfer: list[GpuTransfer | None] = []  # empty until the first call
        self._lock = threading.Lock()
        self._closings = 0  # how often the engines were closed

    @names_nearest_keyword
    def __call__(
        self,
        image: Any,
        mask: Any,
        *,
        channel_axis: int | None = -1,
        data_range: tuple[float, float] | None = None,
        dilate: int | None = None,
        mask_alpha: bool = False,
        detail: Detail | None = None,
        sources: Array | None = None,
        seed: int = 0,
        invert_mask: bool = False,
        channel_order: str = "rgb",
        cancel: Stoppable | None = None,
        deadline: float | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Any:
        """Fill the hole of an image: see `inpaint`."""
        given = unwrap(image, mask, channel_axis, self.config.hook.max_pixels)
        choices = (data_range, dilate, mask_alpha, detail, sources, seed, invert_mask, channel_order, cancel, deadline, progress)
        return given.wrap(self.run(given.image, given.mask, Options(given.channel_axis, *choices)).image)

    def plan(self, mask: Array, shape: tuple[int, int], options: Options) -> PlannedHole:
        """Check a mask, grow its hole and plan the windows, for one picture of `shape` (rows, columns) or many; errors as for `inpaint`."""
        dilate = self.config.hook.dilate if options.dilate is None else options.dilate
        detail: Detail = options.detail or self.config.hook.detail
        check = self._control(options).check
        return plan_hole(mask, shape, detail, alpha=options.mask_alpha, invert=options.invert_mask, dilate=int(dilate), check=check)

    def find_mask(self, image: Array, options: Options) -> Array | None:  # noqa: ARG002  # for inpainters with plugins
        """Find what is to be filled in an image that has no mask; None: this inpainter has nothing that finds it."""
        return None

    def open_engines(self, hole: PlannedHole) -> None:
        """Open the engines that a hole needs; errors as for `inpaint`."""
        if len(hole.squares):
            self.thin_engine()
        for size in {window.size for window in hole.windows}:
            self.engine(size)

    def run(self, image: Array, mask: Array | PlannedHole, options: Options) -> Inpainting:
        """Fill the hole of an image and keep what the attention matched; arguments and errors as for `inpaint`.

        :param mask: a mask, or what `plan` made of one.
        """
        try:
            return self._run(image, mask, options)
        except (MemoryError, ImportError) as error:
            if not is_shortage(error):
                raise
            raise EngineError(
                f"not enough memory to fill an image of shape {np.shape(image)}: "
                "cut it into parts, lower [engine] batch, run fewer workers at once, or raise the limit of this process (ulimit -v)"
            ) from error

    def _run(self, image: Array, mask: Array | PlannedHole, options: Options) -> Inpainting:
        control = self._control(options)
        source = check_image(image, options.channel_axis)
        rows, columns = source.shape[:2]
        if rows * columns > self.config.hook.max_pixels:
            limit = self.config.hook.max_pixels
            raise ImageError(f"image has {rows * columns} pixels, the limit is {limit}: raise [hook] max_pixels to allow it")
        planned = mask if isinstance(mask, PlannedHole) else self._plan_with_doubts(source, mask, options)
        planned.check_fits((rows, columns))
        source = np.asarray(source)  # of a masked array: the masked pixels are in the hole
        low, high = value_range(source, planned.hole, options.data_range)
        check_finite(Picture(source, planned.hole, low, high), planned.read())
        control.check()
        result = copied(np.asarray(image), control.check)
        filled = Picture(in_order(check_image(result, options.channel_axis), options), planned.hole, low, high, control.check)
        on_gpu = self._open_transfer() if planned.detail == "transfer" and planned.windows else None
        settings = TransferSettings(self._sources(options, (rows, columns)), options.seed, self._threads(), on_gpu or transfer)
        return Inpainting(result, planned.hole, list(fill(filled, planned, self, settings, control)), (low, high))

    def _control(self, options: Options) -> Control:
        """Control over a call that begins now."""
        closings = self._closings
        return Control(options.cancel, options.deadline, options.progress, lambda: self._closings != closings)

    def _plan_with_doubts(self, image: Array, mask: Array, options: Options) -> PlannedHole:
        """Plan a hole, and warn if the mask is probably not what the caller meant."""
        shape = (image.shape[0], image.shape[1])
        planned = self.plan(mask, shape, options)
        if has_masked_pixels(image):
            both = with_masked_pixels(planned.hole, image)
            return self.plan(both, shape, replace(options, mask_alpha=False, invert_mask=False, dilate=0))
        for doubt in doubts(mask, planned.hole, alpha=options.mask_alpha, invert=options.invert_mask):
            warnings.warn(doubt, MaskWarning, stacklevel=5)
        return planned

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

    def _open_transfer(self) -> GpuTransfer | None:
        """The GPU that runs the transfer, opened at the first call; None: the CPU."""
        if not self.config.engine.device.startswith("gpu"):
            return None
        from gi_plugin.engines.transfer.gpu_transfer import open_transfer  # noqa: PLC0415  # slow import, needed only for a GPU

        with self._lock:
            if not self._gpu_transfer:
                self._gpu_transfer.append(open_transfer(self.config.engine))
            return self._gpu_transfer[0]

    def warm_up(self, shapes: Iterable[tuple[int, ...]] = ()) -> None:
        """Open the engines and fill holes of several sizes, so that the next calls need not wait; errors as for `inpaint`.

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

        It waits until the engines have finished the window that they are working on. Running calls fail with an `EngineError` at their next
        step; to end a single call, use its option `cancel`.
        """
        with self._lock:
            self._closings += 1
            for engine in self._engines.values():
                engine.close()
            self._engines.clear()
            if self._thin_engine is not None:
                self._thin_engine.close()
            self._thin_engine = None
            for on_gpu in filter(None, self._gpu_transfer):
                on_gpu.close()
            self._gpu_transfer.clear()

    def engine(self, window: int) -> Engine:
        """The engine for windows of `window` pixels, opened at the first call."""
        with self._lock:
            if window not in self._engines:
                self._engines[window] = self._open_engine(self.config, window)
            return self._engines[window]

    def thin_engine(self) -> ThinEngine:
        """The engine for thin holes, opened at the first call."""
        with self._lock:
            if self._thin_engine is None:
                self._thin_engine = self._open_thin_engine(self.config)
            return self._thin_engine
