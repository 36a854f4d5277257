"""Photos of the web page: what is stored of them, painted on them, filled and shown."""

from __future__ import annotations
