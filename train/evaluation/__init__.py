"""Measure the quality of trained networks and the speed of training."""

from __future__ import annotations
