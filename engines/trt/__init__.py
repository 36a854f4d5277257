"""Build, check and run TensorRT engines."""

from __future__ import annotations
