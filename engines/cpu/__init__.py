"""OpenVINO runs the network on the CPU."""

from __future__ import annotations
