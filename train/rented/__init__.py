"""Training on a machine that is rented by the minute: checks first, ends in time, leaves a state in small parts."""

from __future__ import annotations
