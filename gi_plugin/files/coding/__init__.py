"""Formats that are read or written without Pillow, and the parts of files that hold metadata."""

from __future__ import annotations
