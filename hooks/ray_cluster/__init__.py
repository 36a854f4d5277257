"""Folder runs and datasets on a Ray cluster."""

from __future__ import annotations
