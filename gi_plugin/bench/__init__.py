"""Benchmarks of windows, whole pictures, the command line and the GPU. Results are ratios within one run."""

from __future__ import annotations
