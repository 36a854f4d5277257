"""The terms of the losses of network and critics."""

from __future__ import annotations
