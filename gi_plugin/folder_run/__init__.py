"""Runs over picture files: which file goes with which mask, and the pipeline that fills them."""

from __future__ import annotations
