"""Calling the hooks of a host's plugins, with checked options and checked results."""

from __future__ import annotations
