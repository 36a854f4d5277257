"""Watch the loss of a training run, and end a run that diverges."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor

from gi_plugin.errors import TrainingError

EXPLODED = 10.0  # a loss above this many times its running mean ends the run


class LossWatch:
    """Collects the losses of steps; they stay on their device until `check` reads them all at once."""

    def __init__(self, state: Path) -> None:
        """Watch a run whose state is saved in `state`; messages name the file."""
        self._state = state
        self._mean: float | None = None
        self._unread: list[tuple[int, Tensor]] = []
        self.newest = math.nan  # loss, when it was last checked

    def add(self, step: int, loss: Tensor) -> None:
        """Add the loss of a step. A loss on a CPU is checked at once, because nothing has to wait for it."""
        self._unread.append((step, loss))
        if loss.device.type == "cpu":
            self.check()

    def check(self) -> float:
        """Read the losses since the last check, and return the newest one.

        :raises TrainingError: if a loss is NaN, infinite, or above ten times the running mean.
        """
        if self._unread:
            steps, losses = zip(*self._unread, strict=True)
            for step, value in zip(steps, torch.stack(losses).tolist(), strict=True):
                self._follow(step, value)
            self._unread = []
        return self.newest

    def _follow(self, step: int, loss: float) -> None:
        if not math.isfinite(loss) or (self._mean is not None and abs(loss) > EXPLODED * self._mean):
            raise TrainingError(
                f"training diverged at step {step} (loss {loss:g}): expected at most {EXPLODED:g} times the "
                f"running mean; the last saved state is {self._state}, start a new run with a lower learning_rate"
            )
        self._mean = abs(loss) if self._mean is None else 0.99 * self._mean + 0.01 * abs(loss)
        self.newest = loss
