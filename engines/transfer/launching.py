"""Launches of the transfer's kernels: arguments by name, packed once, so that a repeated launch costs little."""

from __future__ import annotations

from collections.abc import Mapping
from ctypes import addressof, c_float, c_int32, c_void_p
from typing import Any

from ..gpu.driver import Kernel
from .forms import BLOCKS, signature

TYPES: dict[str, Any] = {"i32": c_int32, "fp32": c_float}  # of numbers; all others are addresses


class Launch:
    """One kernel with its arguments, which may be launched repeatedly."""

    def __init__(self, kernel: Kernel, programs: int, stream: int, arguments: Mapping[str, Any]) -> None:
        """:param arguments: as ctypes values, in the order of the kernel's parameters."""
        self.arguments = arguments
        self._kernel, self._grid, self._stream = kernel, (programs, 1, 1), stream
        self._addresses = (c_void_p * len(arguments))(*map(addressof, arguments.values()))

    def __call__(self, seed: int | None = None) -> None:
        """Queue the kernel.

        :param seed: new value of the parameter of this name.
        """
        if seed is not None:
            self.arguments["seed"].value = seed
        self._kernel.relaunch(self._grid, self._stream, addressof(self._addresses))


class Launcher:
    """Launches kernels on the arrays of one transfer."""

    def __init__(self, kernels: Mapping[str, Kernel], stream: int, addresses: Mapping[str, int]) -> None:
        """:param addresses: of all arrays on the device, by name."""
        self._kernels, self._stream, self._addresses = kernels, stream, addresses

    def __call__(self, form: str, items: int, **values: str | float) -> None:
        """Queue a kernel once; see `prepared`."""
        self.prepared(form, items, **values)()

    def prepared(self, form: str, items: int, **values: str | float) -> Launch:
        """Pack a kernel's arguments.

        :param items: targets or pixels, which the form's programs share.
        :param values: of the kernel's parameters; names in place of addresses.
        """
        arguments = {
            name: TYPES[kind](values[name]) if kind in TYPES else c_void_p(self._addresses[str(values[name])])
            for name, kind in signature(form).items()
        }
        return Launch(self._kernels[form], -(-items // BLOCKS[form]), self._stream, arguments)
