"""The attention step on a GPU: its kernel, compiled just in time or ahead of time, and its use in PyTorch."""

from __future__ import annotations
