"""Integration into hosts: the pluggy hook, our plugin, a small host, and adapters for other programs."""

from __future__ import annotations
