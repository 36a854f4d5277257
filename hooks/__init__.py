"""The pluggy side: the hook's specification, our plugin, and the smallest host."""

from __future__ import annotations
