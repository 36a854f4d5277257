"""Quantise a network's convolutions to int8 with NNCF. Calibration uses training pictures; the loss of PSNR on others is limited.

The int8 version stores how much worse it is as guide of the transfer; `int8_file.is_usable` decides by it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gi_plugin import network_file
from gi_plugin.arrays import CELL
from gi_plugin.config import TrainSettings
from gi_plugin.errors import ModelError
from gi_plugin.openvino_core import CORE
from gi_plugin.train.data.pictures import Samples, find_pictures
from gi_plugin.train.psnr import hole_psnr
from gi_plugin.transfer import Guide, transfer

from .hole_region import around_hole, in_window, region
from .int8_file import GUIDE_DROP, SOURCE, int8_path

if TYPE_CHECKING:
    import openvino

CROPS = TrainSettings(crop=256, hole_smallest=32, hole_largest=128, free_form=0.5, colour_jitter=0.0)  # small, large and free-form holes
# Operators that are not quantised: those of the attention, which must tell similar keys apart, and those that insert the decoders' results.
UNQUANTIZED = (
    *("MatMul", "Add", "Subtract", "Multiply", "Divide", "ReduceMean", "ReduceSum"),
    *("AvgPool", "MaxPool", "Interpolate", "Concat", "Gather"),
)


@dataclass(frozen=True)
class Quantized:
    """The result of a quantisation."""

    path: Path
    before: float  # mean PSNR in the holes of the validation crops, dB
    after: float
    guide_drop: float  # drop of the mean PSNR of fills whose transfer it guides, dB


def quantize(network: Path, data: Path, pictures: int, largest_drop: float, progress: Callable[[str], None]) -> Quantized:
    """Write the int8 version of a network beside the network file.

    :param data: pictures as for training; do not evaluate the result on them.
    :param pictures: number of crops for calibration; a third as many other crops are used for validation.
    :param largest_drop: largest accepted drop of the mean PSNR in the hole, in dB; layers return to full precision until it is met.
    :raises ConfigError: if there are no usable pictures.
    :raises ModelError: if the network file cannot be used, or the drop stays too large.
    """
    import nncf  # noqa: PLC0415  # an extra
    import openvino  # noqa: PLC0415  # heavy

    nncf.set_log_level(logging.ERROR)
    model = CORE.read_model(network_file.expanded(around_hole(network_file.load(network))).SerializeToString())
    sources = find_pictures(data)
    calibration, validation = (
        Samples(sources, replace(CROPS, seed=seed), 0, count) for seed, count in enumerate((pictures, max(1, pictures // 3)))
    )
    progress("quantising")
    result = nncf.quantize_with_accuracy_control(
        model,
        nncf.Dataset(_Inputs(calibration)),
        nncf.Dataset(_Inputs(validation)),
        validation_fn=_psnr,
        max_drop=largest_drop,
        subset_size=pictures,
        preset=nncf.QuantizationPreset.MIXED,
        ignored_scope=nncf.IgnoredScope(types=list(UNQUANTIZED)),
    )
    progress("comparing")
    before, after = (_psnr(CORE.compile_model(candidate, "CPU"), _Inputs(validation))[0] for candidate in (model, result))
    if before - after > largest_drop:
        raise ModelError(
            f"int8 lowers the PSNR in the hole by {before - after:.2f} dB, allowed are {largest_drop:g} dB; nothing was written"
        )
    result.set_rt_info(network_file.fingerprint(network), SOURCE)
    guided = [_guided_psnr(CORE.compile_model(candidate, "CPU"), _Inputs(validation)) for candidate in (model, result)]
    result.set_rt_info(f"{guided[0] - guided[1]:.3f}", GUIDE_DROP)
    path = int8_path(network)
    openvino.save_model(result, path, compress_to_fp16=False)
    return Quantized(path, before, after, guided[0] - guided[1])


class _Inputs:
    """The network's inputs for each sample, computed anew in each pass."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def __len__(self) -> int:
        return len(self._samples)

    def __iter__(self) -> Any:
        return (self[number] for number in range(len(self)))

    def __getitem__(self, number: int) -> dict[str, Any]:
        batch = self._samples[number]
        mask = batch.mask.numpy()[None]
        rows, columns = region(mask)
        return {"image": batch.image.numpy()[None], "mask": mask, "rows": rows, "columns": columns}


def _psnr(compiled: openvino.CompiledModel, inputs: Iterable[dict[str, Any]]) -> tuple[float, list[float]]:
    """Compute the PSNR in the holes in dB: the mean, and the value of each crop."""
    values = [hole_psnr(compiled(sample)[0], sample["image"], sample["mask"]) for sample in inputs]
    return float(np.mean(values)), values


def _guided_psnr(compiled: openvino.CompiledModel, inputs: Iterable[dict[str, Any]]) -> float:
    """Compute the mean PSNR in the holes, in dB, of fills by the transfer that a network guides."""
    values = []
    for sample in inputs:
        image, mask, cells = sample["image"], sample["mask"], sample["image"].shape[-1] // CELL
        completed, found = compiled(sample).values()
        matches = in_window(found, sample["rows"], sample["columns"], cells).reshape(cells, cells)
        guide = Guide(completed[0].transpose(1, 2, 0), matches, 1)
        filled = transfer(image[0].transpose(1, 2, 0), mask[0, 0] > 0, guide).pixels
        values.append(hole_psnr(filled.transpose(2, 0, 1)[None], image, mask))
    return float(np.mean(values))
