"""Fills the frames of a sequence, so that the fill stays calm from frame to frame."""

from __future__ import annotations

from .sequence import fill_sequence, inpaint_sequence

__all__ = ["fill_sequence", "inpaint_sequence"]
