"""Tiles around thin holes, as the tiny network reads them: scaled by their own known values, with a first fill in the hole."""

from __future__ import annotations

from .first_fill import first_fill
from .scaling import CORE, MARGIN, TILE, ScaledTiles, scaled

__all__ = ["CORE", "MARGIN", "TILE", "ScaledTiles", "first_fill", "scaled"]
