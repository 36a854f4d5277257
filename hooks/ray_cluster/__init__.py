"""Folder runs and Ray Data datasets on a Ray cluster."""

from __future__ import annotations
