"""Load pictures for training from a folder tree, a list file or .tar shards, decoded in worker processes.

The seed and the sample number alone determine the picture, the crop and the hole of a sample. Therefore the same seed gives the same
batches with any number of workers, and a resumed run continues exactly where it stopped.
"""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError

from . import masks
from .schedule import at_sample

SUFFIXES = frozenset(Image.registered_extensions()) - {".pdf", ".ps", ".eps"}
ATTEMPTS = 20  # unusable pictures in a row that end a run
SMALLEST_SCALE, SMALLEST_MIXED_SCALE = 1 / 2, 1 / 4  # with scale jitter (mixed scales), crops are scaled by a factor from this to 1


@dataclass(frozen=True)
class Source:
    """Location of one picture: a file, or a member of a tar shard."""

    path: Path
    offset: int = 0
    size: int = 0  # in bytes; 0: the whole file

    def read(self) -> bytes:
        """Read the bytes of the picture file."""
        with self.path.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size or -1)


class Batch(NamedTuple):
    """Input of one training step."""

    image: Tensor  # [N, 3, S, S] in [-1, 1]
    mask: Tensor  # [N, 1, S, S], 1 = hole
    distance: Tensor  # [N, 1, S, S], pixels to the nearest known pixel
    skipped: Tensor  # [N] int64 on the host, number of broken or too small pictures that were drawn before each sample
    missing: Tensor  # [N] int64 on the host, number of missing pixels


def find_pictures(data: Path) -> list[Source]:
    """Find all pictures of a folder tree (including its .tar shards), of one .tar shard, or of a list file with one path per line.

    Paths in a list file are relative to the folder of the list file. Pictures of a folder tree are sorted by path, so their order is
    the same on every machine.

    :raises ConfigError: if there is no picture, or a listed file is missing.
    """
    if data.is_dir():
        sources = [source for path in sorted(data.rglob("*")) for source in _file_sources(path)]
    elif data.suffix == ".tar":
        sources = _shard_sources(data)
    elif data.is_file():
        sources = [Source(data.parent / line) for line in _lines(data)]
        missing = [str(source.path) for source in sources if not os.path.isfile(source.path)]  # noqa: PTH113  # False for any text
        if missing:
            raise ConfigError(
                f"{data}: read as a list, and {shorten(missing[0], 120)} does not exist (missing: {len(missing)} of {len(sources)} lines); "
                "expected a list file with one path of a picture per line, a folder of pictures or a .tar shard"
            )
    else:
        raise ConfigError(f"{data}: not found; expected a folder of pictures, a .tar shard or a list file")
    if not sources:
        raise ConfigError(f"{data}: contains no picture; expected files such as .jpg or .png")
    return sources


class Samples(Dataset[Batch]):
    """Samples of a run, each a random crop with a random hole.

    Item i is sample number `first` + i of the run.
    """

    def __init__(self, sources: list[Source], settings: TrainSettings, first: int, count: int) -> None:
        self.sources, self.settings, self.first, self.count = sources, settings, first, count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Batch:
        random = np.random.default_rng((self.settings.seed, self.first + index))
        settings = at_sample(self.settings, self.first + index)
        crop, skipped = self._crop(random, settings)
        mask = masks.draw(random, settings)
        image = torch.from_numpy(crop).permute(2, 0, 1)
        hole, distance = (torch.from_numpy(plane)[None] for plane in (mask.astype(np.float32), masks.distance_to_known(mask)))
        return Batch(image, hole, distance, torch.tensor(skipped), torch.tensor(int(mask.sum())))

    def _crop(self, random: np.random.Generator, settings: TrainSettings) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float32]], int]:
        for skipped in range(ATTEMPTS):
            source = self.sources[random.integers(len(self.sources))]
            try:
                picture = decode(source.read(), self.settings.crop)
            except Exception:  # noqa: BLE001  # decoders raise many types of errors
                picture = None
            if picture is not None:
                return _random_crop(random, picture, settings), skipped
        raise ConfigError(
            f"{ATTEMPTS} pictures in a row are broken or smaller than {self.settings.crop} px, the last one is {source.path}: "
            "expected mostly pictures of at least that size; lower [train] crop or replace the pictures"
        )


def decode(content: bytes, smallest: int) -> Image.Image | None:
    """Decode a picture as RGB, or None if its short side is under `smallest` pixels."""
    with Image.open(io.BytesIO(content)) as opened:
        if min(opened.size) < smallest:
            return None
        return opened.convert("RGB")


def batches(
    sources: list[Source], settings: TrainSettings, first: int, rank: int = 0, ranks: int = 1, *, pinned: bool = False
) -> Iterator[Batch]:
    """Yield batches without end, starting with sample number `first` of the run.

    In a distributed run, process `rank` of `ranks` gets its part of each batch.

    :param pinned: put the batches into page-locked memory, from which a GPU copies while it computes.
    """
    per_process = settings.batch // ranks
    samples = Samples(sources, settings, first, 2**40)
    order = (range(start + rank * per_process, start + (rank + 1) * per_process) for start in range(0, 2**40, settings.batch))
    loader = DataLoader(samples, batch_sampler=_BatchNumbers(order), num_workers=settings.workers, pin_memory=pinned)
    return (Batch(*parts) for parts in loader)


class _BatchNumbers:
    """A batch sampler over an iterator. It has no length; the loader does not need one."""

    def __init__(self, order: Iterator[range]) -> None:
        self.order = order

    def __iter__(self) -> Iterator[list[int]]:
        return (list(numbers) for numbers in self.order)


def _random_crop(
    random: np.random.Generator, picture: Image.Image, settings: TrainSettings
) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    side = int(drawn_side(random, settings, min(picture.size)))
    left, top = (int(random.integers(0, length - side + 1)) for length in picture.size)
    crop = picture.resize(
        (settings.crop, settings.crop), Image.Resampling.BOX if side > settings.crop else None, (left, top, left + side, top + side)
    )
    pixels = np.asarray(crop, dtype=np.float32)
    if settings.flip and random.random() < 0.5:
        pixels = pixels[:, ::-1]
    if settings.colour_jitter:
        gain, shift = 1 + settings.colour_jitter * random.uniform(-1, 1), 64 * settings.colour_jitter * random.uniform(-1, 1, 3)
        pixels = pixels * np.float32(gain) + shift.astype(np.float32)
    return np.ascontiguousarray((pixels / np.float32(127.5) - 1).clip(-1, 1))


def drawn_side(random: np.random.Generator, settings: TrainSettings, shortest: Any, count: int | None = None) -> Any:
    """Draw the sides of crops in their pictures: reduced by up to 2 with scale jitter, by up to 4 with mixed scales.

    :param shortest: shortest side of the picture; of each picture, if there are several.
    :param count: number of sides; None for a single one.
    """
    if settings.mixed_scales:  # uniform in the logarithm
        most = np.minimum(shortest / settings.crop, 1 / SMALLEST_MIXED_SCALE)
        return np.rint(settings.crop * most ** random.random(count)).astype(np.int64)
    largest = np.minimum(shortest, round(settings.crop / SMALLEST_SCALE)) if settings.scale_jitter else settings.crop
    return random.integers(settings.crop, largest + 1, count)


def _lines(path: Path) -> list[str]:
    try:
        return [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: this is a binary file; expected a folder of pictures, a .tar shard or a list file (text)") from error


def _file_sources(path: Path) -> list[Source]:
    if path.suffix == ".tar":
        return _shard_sources(path)
    return [Source(path)] if path.suffix.lower() in SUFFIXES and path.is_file() else []


def _shard_sources(path: Path) -> list[Source]:
    try:
        with tarfile.open(path, "r:") as shard:
            members = [member for member in shard if member.isfile() and Path(member.name).suffix.lower() in SUFFIXES]
    except (OSError, tarfile.TarError) as error:
        raise ConfigError(f"{path}: not a readable tar shard ({error}); expected an uncompressed .tar file") from error
    return [Source(path, member.offset_data, member.size) for member in members]
