"""The web page of `gi-plugin ui`."""

from __future__ import annotations
