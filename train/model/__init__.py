"""The network, its parts, and the critics."""

from __future__ import annotations
