"""What callers hand in: masks, and the range of a picture's values."""

from __future__ import annotations
