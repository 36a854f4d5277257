"""What the command says about a run: one line on success, notes, failures, and JSON for programs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from ...folder_run.summary import RunSummary
from ..terminal import in_command_words, print_json, say

if TYPE_CHECKING:
    from ...folder_run.steps import Outcome, Work

MOST_NOTES = 20  # lines of notes of a folder run
LOSSY = "note: JPEG and AVIF are lossy and change known pixels; write .png, .tif or .webp to keep them"


@dataclass(frozen=True)
class Reporter:
    """Says what came of a run, as much of it as the user wants to know."""

    shown: Callable[[str], str]  # names streams in a text
    quiet: bool = False  # only warnings and failures
    verbose: bool = False  # also windows and times of every picture
    as_json: bool = False

    def outcomes(self, outcomes: Iterable[Outcome]) -> Iterator[Outcome]:
        """Yield the outcomes, and describe each one if the user wants to know more."""
        for outcome in outcomes:
            yield outcome
            if self.verbose and outcome.work is not None:
                say(self.shown(f"{outcome.job.output}: {describe(outcome.work)}"))

    def engines(self, backends: Iterable[str]) -> None:
        """Name the engines that ran, if the user wants to know more."""
        if self.verbose:
            say(f"engines: {'; '.join(backends) or 'none: other plugins filled, or nothing was missing'}")

    def finish(self, report: RunSummary, *, many: bool, restart: str) -> None:
        """Print the summary and raise `typer.Exit` if something failed or a signal came.

        :param many: whether a folder or several pictures were given.
        :param restart: what the same command does after a stop, e.g. "continues".
        """
        if self.as_json:
            print_json(_as_json(report))
        if not self.quiet:
            self._say_notes(report)
        for outcome in report.failed:
            say(f"failed: {in_command_words(outcome.error)}", "red")
        if report.stopped:
            filled = len(report.done) + len(report.skipped)
            say(f"stopped: {filled} of {report.jobs} pictures are filled; the same command {restart}")
            raise typer.Exit(report.stopped)
        self._say_summary(report, many=many)
        if report.failed:
            raise typer.Exit(1)

    def _say_summary(self, report: RunSummary, *, many: bool) -> None:
        done, failed = report.done, report.failed
        if self.as_json or self.quiet:
            if failed:
                say(f"{len(failed)} of {report.jobs} failed")
        elif many:
            rate = f", {len(done) / max(report.seconds, 1e-9):.3g} pictures/s" if done else ""
            why = "; skipped results are up to date, --overwrite makes them again" if report.skipped else ""
            say(f"{len(done)} filled, {len(report.skipped)} skipped, {len(failed)} failed; {report.seconds:.1f} s{rate}{why}")
        else:
            for outcome in report.outcomes:
                say(self.shown(f"wrote {outcome.job.output}: {extent(outcome.work)}{report.seconds:.1f} s"))

    def _say_notes(self, report: RunSummary) -> None:
        """Print what the outcomes note, each line once."""
        from ...files.formats import is_lossy  # noqa: PLC0415  # heavy

        if any(is_lossy(job.output) for job in report.done):
            say(LOSSY)
        notes = list(dict.fromkeys(note for outcome in report.outcomes for note in _notes(outcome)))
        for note in notes[:MOST_NOTES]:
            say(f"note: {self.shown(note)}")
        if len(notes) > MOST_NOTES:
            say(f"note: {len(notes) - MOST_NOTES} further notes of this kind; --json lists all")


def extent(work: Work | None) -> str:
    """Say how many holes and pixels were filled; empty if that is not known."""
    return "" if work is None else f"{work.holes} hole{'' if work.holes == 1 else 's'}, {work.pixels:,} px, "


def describe(work: Work) -> str:
    """Describe the filling of one picture: its holes, windows and times."""
    sides = ", ".join(str(side) for side in sorted(set(work.windows)))
    windows = f"{len(work.windows)} windows of {sides} px" if work.windows else "no window: all holes are thin"
    return f"{extent(work)}{windows}; read in {work.read:.2f} s, filled in {work.fill:.2f} s, written in {work.write:.2f} s"


def _notes(outcome: Outcome) -> list[str]:
    return [in_command_words(note) for note in outcome.notes]


def _as_json(report: RunSummary) -> dict[str, Any]:
    finished = [outcome for outcome in report.outcomes if not outcome.error]
    return {
        "done": [str(job.output) for job in report.done],
        "skipped": [str(job.output) for job in report.skipped],
        "failed": {str(outcome.job.image): in_command_words(outcome.error) for outcome in report.failed},
        "data_range": {str(outcome.job.output): outcome.data_range for outcome in finished if outcome.data_range},
        "notes": {str(outcome.job.output): _notes(outcome) for outcome in finished if outcome.notes},
        "work": {str(outcome.job.output): vars(outcome.work) for outcome in finished if outcome.work},
        "seconds": round(report.seconds, 3),
    }
