"""Pictures decoded once and kept on the device of the training; crops, flips and colour changes are made there.

Only a few numbers per sample come from the host. They depend on the seed and the sample number alone, as in `pictures`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gi_plugin.arrays import Bytes, Floats
from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError

from .bank import SIZE, SYMMETRIES, MaskBank
from .pictures import Batch, Source, decode, drawn_side
from .schedule import at_sample

TAPS = 4  # a reduced pixel is the mean of 4 x 4 points of the picture
SHARE = 0.4  # of the device's free memory that pictures may use
PROBES = 64  # pictures whose sizes are looked at to estimate the memory


def fit(sources: list[Source], device: torch.device) -> bool:
    """Estimate from some of the pictures whether all of them, decoded, fit into the memory of a CUDA device."""
    probes = [sources[index] for index in np.unique(np.linspace(0, len(sources) - 1, PROBES).astype(int))]
    free, _ = torch.cuda.mem_get_info(device)
    return 3 * float(np.mean([_pixels(source) for source in probes])) * len(sources) <= SHARE * free


class ResidentPictures:
    """All usable pictures of a run in one tensor on the device."""

    def __init__(self, sources: list[Source], settings: TrainSettings, device: torch.device) -> None:
        """Decode all pictures, in threads.

        :raises ConfigError: if no picture is usable.
        """
        with ThreadPoolExecutor() as threads:
            pictures = [picture for picture in threads.map(lambda source: _decoded(source, settings.crop), sources) if picture is not None]
        if not pictures:
            raise ConfigError(
                f"all {len(sources)} pictures are broken or smaller than {settings.crop} px: lower [train] crop or replace them"
            )
        self.settings, self.device, self.skipped = settings, device, len(sources) - len(pictures)
        self._sizes = np.array([picture.shape[:2] for picture in pictures])
        self._starts = np.cumsum([0, *(len(picture.reshape(-1, 3)) for picture in pictures)])
        self._pixels = torch.empty(int(self._starts[-1]), 3, dtype=torch.uint8, device=device)
        for start, picture in zip(self._starts, pictures, strict=False):
            self._pixels[start : start + picture.shape[0] * picture.shape[1]].copy_(torch.from_numpy(picture.reshape(-1, 3)))
        self._banks: dict[int, MaskBank] = {}  # by the size of their crops

    def batches(self, first: int, rank: int = 0, ranks: int = 1) -> Iterator[Batch]:
        """Yield batches without end, starting with sample number `first`; process `rank` of `ranks` gets its part of each."""
        share = self.settings.batch // ranks
        for number in range(first, 2**40, self.settings.batch):
            yield self._batch(number, slice(rank * share, (rank + 1) * share))

    def _batch(self, number: int, part: slice) -> Batch:
        settings = at_sample(self.settings, number)
        drawn, bank = self._draw(settings, number)[part], self._bank(settings)
        table = torch.from_numpy(drawn)
        table = (table.pin_memory() if self.device.type == "cuda" else table).to(self.device, non_blocking=True)
        mask, distance = bank.planes(table[:, -2].long(), table[:, -1].long())
        missing = torch.from_numpy(bank.missing[drawn[:, -2].astype(np.int64)])
        return Batch(self._crops(table, settings), mask, distance, torch.zeros(len(drawn), dtype=torch.int64), missing)

    def _bank(self, settings: TrainSettings) -> MaskBank:
        """Return the masks for crops of one size; they are drawn anew when the holes have grown."""
        bank = self._banks.get(settings.crop)
        if bank is None or bank.settings != settings:
            bank = self._banks[settings.crop] = MaskBank(settings, self.device)
        return bank

    def _draw(self, settings: TrainSettings, number: int) -> Floats:
        """Draw the numbers of a whole batch.

        :return: [batch, 12] float64: start and width of the picture in memory; top, left and side of the crop; flip, gain and three
            shifts; number and symmetry of the mask.
        """
        random, count = np.random.default_rng((settings.seed, 1, number)), settings.batch
        chosen = random.integers(len(self._sizes), size=count)
        height, width = self._sizes[chosen].T
        side = drawn_side(random, settings, np.minimum(height, width), count)
        top, left = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
        flip = random.random(count) < (0.5 if settings.flip else 0)
        gain = 1 + settings.colour_jitter * random.uniform(-1, 1, count)
        shift = 64 * settings.colour_jitter * random.uniform(-1, 1, (3, count))
        mask, symmetry = random.integers(SIZE, size=count), random.integers(SYMMETRIES, size=count)
        return np.stack([self._starts[chosen], width, top, left, side, flip, gain, *shift, mask, symmetry], axis=1, dtype=np.float64)

    def _crops(self, table: Tensor, settings: TrainSettings) -> Tensor:
        """Cut the crops [N, 3, S, S] in [-1, 1]; a pixel of a crop is the mean of the points under it."""
        size = settings.crop
        start, width, top, left, side, flip, gain = table.T[:7, :, None]  # [N, 1] each
        points = TAPS if settings.scale_jitter or settings.mixed_scales else 1
        line = (torch.arange(size * points, dtype=table.dtype, device=table.device) + 0.5) / points
        columns = torch.where(flip > 0, line.flip(0), line)  # [N, S * points]
        y, x = top + (line * side / size).floor(), left + (columns * side / size).floor()
        places = (start + y * width)[:, :, None] + x[:, None, :]
        taken = self._pixels[places.long()].unflatten(2, (size, points)).unflatten(1, (size, points))  # [N, S, points, S, points, 3]
        total = taken.sum(dim=(2, 4), dtype=torch.float32)
        pixels: Tensor = total / points**2 * gain[:, :, None, None].float() + table[:, None, None, 7:10].float()
        return (pixels / 127.5 - 1).clamp(-1, 1).permute(0, 3, 1, 2)


def _decoded(source: Source, smallest: int) -> Bytes | None:
    try:
        picture = decode(source.read(), smallest)
    except Exception:  # noqa: BLE001  # decoders raise many types of errors
        return None
    return None if picture is None else np.array(picture)


def _pixels(source: Source) -> int:
    try:
        with Image.open(io.BytesIO(source.read())) as opened:
            return opened.width * opened.height
    except Exception:  # noqa: BLE001  # decoders raise many types of errors
        return 0
