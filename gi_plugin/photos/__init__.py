"""The packaged photo: a cat, by Stéfan van der Walt, CC0; it also comes with scikit-image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from ..arrays import Array


def cat() -> Array:
    """Return the photo, [300, 451, 3] uint8."""
    with Image.open(Path(__file__).with_name("cat.png")) as photo:
        return np.asarray(photo.convert("RGB"))
