"""The tiny network for thin holes: its structure, its masks and samples, its training and its export."""

from __future__ import annotations
