"""Reading and writing picture files without changing known pixels."""

from __future__ import annotations

from .masks import read_mask
from .picture import PictureFile, output_name, read_picture
from .writing import write_array, write_picture

__all__ = ["PictureFile", "output_name", "read_mask", "read_picture", "write_array", "write_picture"]
