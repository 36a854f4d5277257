"""Engines of the tiny network for thin holes."""

from __future__ import annotations
