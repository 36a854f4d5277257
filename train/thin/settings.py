"""Settings of a training run of the tiny network, for `gi-plugin train --recipe thin --set key=value`."""

from __future__ import annotations

from dataclasses import dataclass

from gi_plugin.errors import ConfigError

PRECISIONS = ("fp32", "bf16")


@dataclass(frozen=True)
class ThinTrainSettings:
    """Settings of a run.

    :raises ConfigError: if a value is not allowed.
    """

    channels: int = 32  # of the network
    batch: int = 192  # tiles per step
    learning_rate: float = 1.2e-3  # falls to a hundredth along a cosine
    squares: float = 3.0  # weight of the squared errors beside the absolute ones
    ema: float = 0.998  # of the running average of the parameters
    precision: str = "fp32"  # "bf16" is faster on CPUs that have instructions for it, and on GPUs
    seed: int = 0
    validation: int = 32  # pictures that are only validated on
    validate_every: int = 500  # steps

    def __post_init__(self) -> None:
        wrong = [name for name in ("channels", "batch", "learning_rate", "validation", "validate_every") if getattr(self, name) <= 0]
        if wrong:
            raise ConfigError(f"{wrong[0]} = {getattr(self, wrong[0])!r}: expected more than 0")
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision = {self.precision!r}: expected {' or '.join(PRECISIONS)}")
        if not (0 <= self.ema < 1 and self.seed >= 0 and self.squares >= 0):
            raise ConfigError(f"ema = {self.ema}, seed = {self.seed}, squares = {self.squares}: expected 0 or more, and ema below 1")
