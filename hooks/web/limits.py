"""Limits of the server: what one request, one visitor and all of them together may use."""

from __future__ import annotations

from dataclasses import dataclass

MEGABYTE = 2**20


@dataclass(frozen=True)
class Limits:
    """Limits of the server; the pixels of a picture are limited by the setting [hook] max_pixels."""

    upload: int = 300 * MEGABYTE  # bytes of one request
    waiting: int = 32  # requests that wait while one picture is filled; further ones are refused
    seconds: float = 300  # for one fill, and for the arrival of a request
    photos: int = 200  # photos of the page that are kept at once
    storage: int = 8 * 1024 * MEGABYTE  # bytes of these photos and their fills
    age: float = 3600  # seconds after which an unused photo is deleted
    grace: int = 30  # seconds that running requests have when the server stops
