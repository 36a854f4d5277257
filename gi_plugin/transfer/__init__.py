"""Detail transfer: fill the hole with pixels from the known part of the picture, guided by the network."""

from __future__ import annotations

from .depth import hole_depth
from .guide import Guide
from .matching import Rounds
from .transfer import Transferred, transfer

__all__ = ["Guide", "Rounds", "Transferred", "hole_depth", "transfer"]
