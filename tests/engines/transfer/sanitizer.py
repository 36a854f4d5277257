"""Watch the memory accesses of interpreted kernels, as NVIDIA's compute-sanitizer does on a GPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest

from gi_plugin.arrays import Array
from gi_plugin.engines.transfer.forms import kernel_name
from tests.engines.transfer import interpreted

OWN = {"attend"}  # kernels whose programs read and write places of their own


class Sanitizer:
    """Collects the faults of launches: accesses outside the arrays that a kernel got, and places for which programs could race."""

    def __init__(self, load: Callable[..., Array], store: Callable[..., None], sizes: dict[int, int]) -> None:
        """Take the interpreter's access to memory.

        :param sizes: bytes of every array, by its address.
        """
        self.faults: set[str] = set()
        self.forms: set[str] = set()
        self._load, self._store, self._run, self._sizes = load, store, interpreted.run, sizes
        self._read, self._written = list[Array](), list[Array]()

    def load(self, pointers: Array, mask: Array, *more: Any) -> Array:
        """Read, as the interpreter does."""
        self._read.append(np.unique(pointers[mask]))
        return self._load(pointers, mask, *more)

    def store(self, pointers: Array, values: Array, mask: Array) -> None:
        """Write, as the interpreter does."""
        self._written.append(np.broadcast_to(pointers, mask.shape)[mask])
        self._store(pointers, values, mask)

    def run(self, form: str, programs: int, arguments: list[Any]) -> None:
        """Run a kernel, and check what it accessed."""
        self._read, self._written = [], []
        self._run(form, programs, arguments)
        self.forms.add(form)
        read, written = np.unique(np.concatenate(self._read)), np.concatenate(self._written)
        starts = np.array(sorted(argument.data_ptr() for argument in arguments if hasattr(argument, "data_ptr")), np.uint64)
        ends = starts + np.array([self._sizes[start] for start in starts.tolist()], np.uint64)
        for places, what in ((read, "reads"), (written, "writes")):
            array = np.searchsorted(starts, places, side="right") - 1
            if ((array < 0) | (places >= ends[array])).any():
                self.faults.add(f"{form} {what} outside its arrays")
        if len(np.unique(written)) < len(written):
            self.faults.add(f"{form} writes twice to a place")
        if kernel_name(form) not in OWN and np.isin(read, written).any():
            self.faults.add(f"{form} reads what it writes")


@contextmanager
def sanitized(sizes: dict[int, int]) -> Iterator[Sanitizer]:
    """Watch every launch; arguments as for `Sanitizer`."""
    from triton.runtime import interpreter  # noqa: PLC0415  # needs TRITON_INTERPRET

    native = interpreter._interpreter  # noqa: SLF001
    sanitizer = Sanitizer(native.load, native.store, sizes)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "load", sanitizer.load)
        patch.setattr(native, "store", sanitizer.store)
        patch.setattr(interpreted, "run", sanitizer.run)
        yield sanitizer
