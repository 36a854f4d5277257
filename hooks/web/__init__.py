"""The web page and the HTTP API of `gi-plugin ui` and `gi-plugin serve`."""

from __future__ import annotations
