"""The network on a CPU through OpenVINO."""

from __future__ import annotations
