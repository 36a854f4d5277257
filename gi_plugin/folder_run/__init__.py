"""Folder runs: pair pictures with masks, and fill them in a pipeline."""

from __future__ import annotations
