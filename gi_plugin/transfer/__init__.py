"""Detail transfer: fill the hole with pixels from the known part of the picture, guided by the network."""

from __future__ import annotations

from .depth import hole_depth
from .guide import Guide
from .transfer import Transferred, transfer

__all__ = ["Guide", "Transferred", "hole_depth", "transfer"]
