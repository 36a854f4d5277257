"""Samples for training: pictures and masks."""

from __future__ import annotations
