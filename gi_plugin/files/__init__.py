"""Reading and writing picture files without changing known pixels."""

from __future__ import annotations

from .picture import PictureFile, output_name, read_mask, read_picture, value_range, write_array, write_picture
from .registered import suffixes

__all__ = ["PictureFile", "output_name", "read_mask", "read_picture", "suffixes", "value_range", "write_array", "write_picture"]
