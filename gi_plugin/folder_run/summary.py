"""What came of a run over one or many picture files."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .jobs import Job
    from .steps import Outcome


@dataclass
class RunSummary:
    """Result of a command that fills pictures."""

    jobs: int  # number of pictures
    skipped: list[Job] = field(default_factory=list)  # their results existed already
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0
    stopped: int = 0  # exit code if a signal ended the command, else 0

    @property
    def done(self) -> list[Job]:
        """Pictures that were filled."""
        return [outcome.job for outcome in self.outcomes if not outcome.error]

    @property
    def failed(self) -> list[Outcome]:
        """Pictures that could not be filled."""
        return [outcome for outcome in self.outcomes if outcome.error]
