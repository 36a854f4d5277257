"""Packaged network files; the model card is README.md beside them."""

from __future__ import annotations
