"""The search at one level of a transfer on a GPU: its masks, its box, its settings."""

from __future__ import annotations

from dataclasses import dataclass

from gi_plugin.box import Box
from gi_plugin.transfer.composition import HALO
from gi_plugin.transfer.pyramid import BoxMasks
from gi_plugin.transfer.schedule import Step

from .masks import LevelMasks


@dataclass(frozen=True)
class LevelJob:
    """The search at one level."""

    number: int
    masks: LevelMasks
    around: BoxMasks
    step: Step
    seeds: list[int]  # for the sources before the rounds, and for each round
    sigma: float  # of the blur of the low frequencies, in pixels of the level

    @property
    def box(self) -> Box:
        """The box around the hole, which may reach beyond the level."""
        return self.around.box

    @property
    def part(self) -> Box:
        """The part of the box that lies in the level."""
        return self.box.inside(self.masks.shape)

    @property
    def guided(self) -> bool:
        """Whether the cost has the guide's low frequencies."""
        return self.step.pull > 0

    @property
    def wide(self) -> Box:
        """The part of the level in which the guide is completed by known pixels, and blurred."""
        return self.box.grown(int(3 * self.sigma) + 1).inside(self.masks.shape) if self.guided else self.part

    @property
    def surroundings(self) -> Box:
        """The part of the level that the blur of the filled box reads."""
        return self.box.grown(HALO).inside(self.masks.shape)
