"""Check before a run that the settings fit together."""

from __future__ import annotations

from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError

SMALLEST_MIXED = 160  # crop; half of it is the smallest of mixed crops, and the network needs 72 px


def check_together(settings: TrainSettings, ranks: int) -> None:
    """Check settings that depend on each other.

    :param ranks: number of processes of the run.
    :raises ConfigError: if two of them do not fit; the message names them.
    """
    if settings.hole_largest > settings.crop or settings.hole_smallest > settings.hole_largest:
        raise ConfigError(
            f"holes of {settings.hole_smallest} to {settings.hole_largest} px in crops of {settings.crop} px: "
            "expected smallest <= largest <= crop"
        )
    if settings.batch % (ranks * settings.accumulate):
        raise ConfigError(
            f"[train] batch = {settings.batch}: expected a multiple of processes x accumulate, {ranks} x {settings.accumulate}"
        )
    for wrong, text in _conflicts(settings):
        if wrong:
            raise ConfigError(f"[train] {text}")


def _conflicts(settings: TrainSettings) -> tuple[tuple[bool, str], ...]:
    paper = settings.critic == "paper" and settings.critic_steps > 0
    return (
        (settings.free_form + settings.blobs + settings.shapes > 1, "free_form, blobs and shapes: expected a sum of at most 1"),
        (settings.critic == "patch" and settings.gan == "wgan-gp", "critic = 'patch': expected a gan other than 'wgan-gp'"),
        (paper and settings.feature_weight > 0, "feature_weight: expected critic = 'patch', whose features can be matched"),
        (paper and settings.gan == "wgan-gp" and settings.r1 > 0, "r1: expected a gan other than 'wgan-gp', which has its own penalty"),
        (settings.r1_every > 1 and not settings.r1, "r1_every: expected r1 above 0"),
        (paper and settings.mixed_crops, "mixed_crops: expected critic = 'patch' or critic_steps = 0; the paper's critics have one size"),
        (settings.mixed_crops and settings.crop < SMALLEST_MIXED, f"mixed_crops: expected crop of at least {SMALLEST_MIXED}"),
        (settings.attention_weight > 0 and not settings.attention, "attention_weight: expected attention = true"),
    )
