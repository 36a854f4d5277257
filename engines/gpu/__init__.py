"""Access to a CUDA GPU: driver calls and memory."""

from __future__ import annotations
