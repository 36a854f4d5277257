"""Real pixels for the hole: they are taken from the known part of the picture, where the network says what goes where."""

from __future__ import annotations
