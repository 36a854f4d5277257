"""Images and masks as hosts have them (files, Pillow pictures, tensors, xarray, masked arrays) become numpy arrays and come back."""

from __future__ import annotations

from .containers import Unwrapped, unwrap

__all__ = ["Unwrapped", "unwrap"]
