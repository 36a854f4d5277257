"""Options shared by the commands that train: budget, overridden settings, progress of a run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from ..config import TrainSettings, check_settings
from ..errors import ConfigError
from .terminal import say

if TYPE_CHECKING:
    from gi_plugin.train.loop import Budget, Progress
    from gi_plugin.train.thin.settings import ThinTrainSettings

Settings = TypeVar("Settings", "TrainSettings", "ThinTrainSettings")

Minutes = Annotated[
    float | None, typer.Option("--minutes", min=0.01, help="Time budget in minutes; a continued run counts all of its time.")
]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, help="Budget in generator updates; a continued run counts all of its updates.")
]
Assignments = Annotated[
    list[str] | None, typer.Option("--set", help="Override a [train] setting, as key=value, for example batch=4; may be repeated.")
]


def make_budget(minutes: float | None, steps: int | None) -> Budget:
    """Build the budget of a run from the options --minutes and --steps.

    :raises ConfigError: if both are missing.
    """
    from gi_plugin.train.loop import ENDLESS, Budget  # noqa: PLC0415  # heavy

    if minutes is None and steps is None:
        raise ConfigError("no budget: expected --minutes, --steps or both")
    return Budget(minutes or math.inf, steps or ENDLESS)


def override(settings: Settings, assignments: list[str] | None) -> Settings:
    """Return settings with key=value assignments applied, each checked like a line of plugin.toml.

    :param settings: of the recipe.

    :raises ConfigError: if an assignment has no `=`, an unknown key, or a value that is not allowed.
    """
    for assignment in assignments or ():
        key, text = key_and_value(assignment)
        default = getattr(settings, key, None)
        if default is None:
            raise ConfigError(f"--set {assignment}: unknown key {key!r}; expected one of {', '.join(asdict(settings))}")
        settings = replace(settings, **{key: _parsed(assignment, text, type(default))})
    check_settings(settings, "--set")
    return settings


def key_and_value(text: str) -> tuple[str, str]:
    """Split the text of an option, such as "batch=4", into key and value.

    :raises ConfigError: if it contains no `=`.
    """
    key, separator, value = text.partition("=")
    if not separator:
        raise ConfigError(f"{text!r}: expected key=value")
    return key.strip(), value.strip()


def show_progress(progress: Progress, show_text: Callable[[str], None], name: str = "") -> None:
    """Show the progress of a run in one line; print the line, too, if it has the result of a validation.

    :param show_text: changes the text of the spinner.
    :param name: name of the run, if there are several.
    """
    validation = "" if progress.psnr is None else f", validation {progress.psnr:.2f} dB"
    remaining = progress.seconds * (1 / progress.share - 1) / 60 if progress.share else 0
    text = (
        f"{f'{name}: ' if name else ''}step {progress.step}, loss {progress.loss:.4f}, {progress.rate:.1f} pictures/s, "
        f"{progress.waiting:.0%} waiting for data, {progress.skipped} skipped{validation}, {remaining:.1f} minutes remain"
    )
    (show_text if progress.psnr is None else say)(text)


def _parsed(assignment: str, text: str, kind: type) -> Any:
    try:
        return {"true": True, "false": False}[text.lower()] if kind is bool else kind(text)
    except (KeyError, ValueError) as error:
        raise ConfigError(f"--set {assignment}: expected {kind.__name__}, got {text!r}") from error
