"""Quality and speed of trained networks."""

from __future__ import annotations
