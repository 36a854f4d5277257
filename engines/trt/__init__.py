"""TensorRT engines: how they are built, checked and run."""

from __future__ import annotations
