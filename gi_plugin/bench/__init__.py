"""Benchmarks: windows, whole pictures, the command line and the GPU, measured as ratios in one run."""

from __future__ import annotations
