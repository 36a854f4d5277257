"""Detail transfer: fill the hole with pixels from the known part of the picture, guided by the network."""

from __future__ import annotations

from .depth import hole_depth
from .guide import Guide
from .transfer import Transfer, Transferred, transfer

__all__ = ["Guide", "Transfer", "Transferred", "hole_depth", "transfer"]
