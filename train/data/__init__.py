"""Training samples: pictures and masks."""

from __future__ import annotations
