"""Fills the hole of a checked picture: the network completes windows, and its pixels or those of the transfer go into the hole."""

from __future__ import annotations

from .fill import fill
from .piece import Piece
from .result import copied, in_order
from .transfer_detail import TransferSettings

__all__ = ["Piece", "TransferSettings", "copied", "fill", "in_order"]
