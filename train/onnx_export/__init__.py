"""The trained network as an ONNX file."""

from __future__ import annotations
