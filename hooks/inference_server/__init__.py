"""A model repository for NVIDIA Triton Inference Server."""

from __future__ import annotations
