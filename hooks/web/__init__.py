"""The web page."""

from __future__ import annotations
