"""Run a training within a budget of minutes or steps: draw batches, make steps, validate, report and save checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from gi_plugin.config import TrainSettings
from gi_plugin.errors import TrainingError

from . import distributed
from .checkpoint import open_network, save_network
from .consistency import check_together
from .data.pictures import Batch, find_pictures
from .data.stream import open_stream
from .model.network import InpaintingNetwork
from .run_state import LAST, LocalState, Position, RunState
from .shortage import shortage_explained
from .step import Trainer
from .validation import Validation, split
from .watch import LossWatch

BEST = "best.safetensors"
ENDLESS = 2**40
SAVE_SECONDS = 120.0  # least time between two saves of the state
WARMUP_SHARE = 0.25  # of the budget that the warm-up of the critics may use
REPORT_STEPS, REPORT_SECONDS = 10, 5.0  # a report comes after this many steps or seconds, whichever is first


@dataclass(frozen=True)
class Budget:
    """Limits of a run; it ends at the first one that is reached. Time and steps before a continuation count, too."""

    minutes: float = math.inf
    steps: int = ENDLESS


@dataclass(frozen=True)
class Progress:
    """Progress report of a run."""

    step: int
    seconds: float  # of the whole run
    rate: float  # pictures per second since this process started; counts those of generator steps and the time of all updates
    share: float  # used share of the budget, 0 to 1
    loss: float
    skipped: int  # number of broken or too small pictures, since this process started
    waiting: float  # share of the time spent waiting for data, 0 to 1, since this process started
    psnr: float | None = None  # PSNR in the hole on the validation pictures in dB, if this step was validated


def train(
    data: Path,
    folder: Path,
    settings: TrainSettings,
    budget: Budget,
    report: Callable[[Progress], None],
    start: Path | None = None,
    accelerate: Callable[[InpaintingNetwork], object] = lambda _: None,
) -> Position:
    """Train until the budget is used. If `folder` already contains a run, continue it.

    :param data: folder of pictures, .tar shard or list file, see `find_pictures`.
    :param folder: receives last.safetensors (whole state), best.safetensors (network with the best validation) and TensorBoard files.
    :param report: called every few steps and after every validation, in the first process only.
    :param start: network file or checkpoint from which a new run takes its network; the critics are warmed up first.
    :param accelerate: called with the network and with its running average, on their device; may replace parts of them by faster ones.
    :return: the position at the end of the run.
    :raises TrainingError: if the loss explodes or becomes NaN or memory runs out (the last saved state is kept), or if the run in
        `folder` has other settings.
    :raises ConfigError: if the settings do not fit together, or the data cannot be used.
    """
    with shortage_explained(settings), distributed.process_group() as (rank, ranks):
        check_together(settings, ranks)
        run = TrainingRun(data, folder, settings, budget, report, start, rank, ranks)
        for network in (run.trainer.network, run.trainer.average):
            accelerate(network)
        return run.run()


class TrainingRun:
    """One process of a run; see `train`."""

    def __init__(
        self,
        data: Path,
        folder: Path,
        settings: TrainSettings,
        budget: Budget,
        report: Callable[[Progress], None],
        start: Path | None = None,
        rank: int = 0,
        ranks: int = 1,
        state: RunState | None = None,
    ) -> None:
        self.settings, self.budget, self.report, self.rank, self.ranks = settings, budget, report, rank, ranks
        self.folder, self.waited, self.share = folder, 0.0, 0.0
        self.state = state or LocalState()
        folder.mkdir(parents=True, exist_ok=True)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        network, self.notes = open_network(settings, start)
        self.trainer = Trainer(network, settings, device)
        restored = self.state.restore(self.trainer, folder)
        self.position = restored or Position()
        self.warmup = settings.critic_warmup if restored is None and start is not None and settings.critic_steps else 0
        pictures, held_out = split(find_pictures(data), settings)
        self.validation = Validation(held_out, settings)
        self.batches, self.skipped = open_stream(pictures, settings, device, self.position.sample, rank, ranks)
        self.watch = LossWatch(folder / LAST)

    def run(self) -> Position:
        """Train until the budget is used; return the position at the end.

        :raises TrainingError: if the training diverges, or a file cannot be written; the state is kept.
        """
        self.started = self.saved = self.reported = time.monotonic()
        self.run_started, self.first = self.started - self.position.seconds, self.position.step
        stream = self._stream()
        for _ in range(self.warmup):
            if self._share_used() > WARMUP_SHARE:
                break
            self.trainer.critic_step(next(stream))
        try:
            with self._board() as board:
                self._train(stream, board)
        except OSError as error:  # of the best network or of the curves, which the end of `with` writes, too
            self.save()
            raise TrainingError(
                f"{self.folder}: cannot be written to ({error}); the state of step {self.position.step} is saved: make room, and run the "
                "command again to continue"
            ) from error
        return self.position

    def _train(self, stream: Iterator[Batch], board: SummaryWriter | None) -> None:
        validated = True
        for _ in self._steps():
            terms = self._step(stream)
            self.watch.add(self.position.step, terms["loss"])
            validated = self._after_step(terms, board)
        if not validated:
            self._validate(board)  # so that a short run, too, ends with a validated network
        self.save()

    def _steps(self) -> Iterator[None]:
        while (share := self._share_used()) < 1:
            self.share = share
            yield

    def _share_used(self) -> float:
        self.position.seconds = time.monotonic() - self.run_started
        share = max(self.position.step / self.budget.steps, self.position.seconds / 60 / self.budget.minutes)
        return distributed.from_first(share)  # clocks differ, but all processes must stop at the same step

    def _stream(self) -> Iterator[Batch]:
        while True:
            start = time.monotonic()
            batch = next(self.batches)
            self.waited += time.monotonic() - start
            self.position.sample += self.settings.batch
            self.skipped += int(batch.skipped.sum())
            yield batch

    def _step(self, stream: Iterator[Batch]) -> dict[str, Tensor]:
        if self.settings.decay:
            self.trainer.set_learning_rate(self.settings.learning_rate * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * self.share))))
        critic_terms: dict[str, Tensor] = {}
        for _ in range(self.settings.critic_steps):
            critic_terms = self.trainer.critic_step(next(stream))
        terms = self.trainer.generator_step(next(stream))
        self.position.step += 1
        return {**terms, **critic_terms}

    def _after_step(self, terms: dict[str, Tensor], board: SummaryWriter | None) -> bool:
        """Validate, report and save where it is time to; return whether this step was validated."""
        psnr = None
        if self.position.step % self.settings.validate_every == 0:
            psnr = self._validate(board)
        due = self.position.step % REPORT_STEPS == 0 or time.monotonic() - self.reported > REPORT_SECONDS
        if psnr is not None or due:
            self.watch.check()
            self._report(terms, psnr, board)
        if time.monotonic() - self.saved > SAVE_SECONDS:
            self.save()
        return psnr is not None

    def _report(self, terms: dict[str, Tensor], psnr: float | None, board: SummaryWriter | None) -> None:
        self.reported = time.monotonic()
        if board is None:
            return
        for name, value in terms.items():
            board.add_scalar(name, float(value), self.position.step)
        seconds = max(time.monotonic() - self.started, 1e-9)
        rate, waiting = self.settings.batch * (self.position.step - self.first) / seconds, self.waited / seconds
        board.add_scalar("speed/share of time waiting for data", waiting, self.position.step)
        self.report(Progress(self.position.step, self.position.seconds, rate, self.share, self.watch.newest, self.skipped, waiting, psnr))

    def _validate(self, board: SummaryWriter | None) -> float:
        psnr, shown = self.validation.run(self.trainer)
        if board is not None:
            board.add_scalar("validation/psnr in the hole", psnr, self.position.step)
            board.add_images("validation/input, result, original", shown, self.position.step)
            if psnr > self.position.best:
                save_network(self.trainer.average, self.folder / BEST, self._notes(psnr))
        self.position.best = max(self.position.best, psnr)
        return psnr

    def save(self) -> None:
        """Save the state, unless the last losses show that the run has diverged.

        :raises TrainingError: if it has, or the state cannot be written.
        """
        self.watch.check()
        self.saved = time.monotonic()
        if self.rank != 0:
            return
        try:
            self.state.save(self.trainer, self.position, self.folder, self._notes(self.position.best))
        except OSError as error:
            raise TrainingError(
                f"{self.folder}: the state of step {self.position.step} cannot be saved ({error}); one that was saved before is kept: make "
                "room, and run the command again"
            ) from error

    def _notes(self, psnr: float) -> dict[str, str]:
        return {
            **self.notes,
            "training": f"{self.position.step} steps of {self.settings.batch} pictures, {self.position.seconds / 60:.0f} minutes",
            "validation": f"{psnr:.2f} dB in the hole",
        }

    def _board(self) -> AbstractContextManager[SummaryWriter | None]:
        return SummaryWriter(str(self.folder)) if self.rank == 0 else nullcontext()
