"""Run the kernels of the transfer in Triton's interpreter. Import it only in a process that set TRITON_INTERPRET before Triton's import."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from gi_plugin.engines.search.compile import BLOCKS, constants, signature

Arrays = npt.NDArray[Any]


def launch(form: str, count: int, arguments: list[Any], written: tuple[str, ...]) -> list[Arrays]:
    """Run a kernel on copies of its arguments, arrays and numbers in the order of its signature.

    :param count: number of targets or pixels.
    :param written: the parameters whose arrays are returned as the kernel left them.
    """
    from gi_plugin.engines.search import kernels  # noqa: PLC0415  # needs triton

    name = form.partition(" ")[0]
    given = {parameter: _tensor(value) for parameter, value in zip(signature(name), arguments, strict=True)}
    with np.errstate(over="ignore"):  # random numbers wrap around
        getattr(kernels, name)[(-(-count // BLOCKS[form]),)](*given.values(), *constants(form).values())
    return [given[parameter].numpy() for parameter in written]


def _tensor(value: Any) -> Any:
    """Copy an array to a tensor; numbers stay as they are."""
    import torch  # noqa: PLC0415  # heavy

    if not isinstance(value, np.ndarray):
        return value
    return torch.from_numpy((value.view(np.uint8) if value.dtype == np.bool_ else value).copy())
