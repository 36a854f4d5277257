"""Export the trained network as an ONNX file."""

from __future__ import annotations
