"""The command that fills picture files: one, or folders of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config import Config, load_config
from ..errors import ConfigError
from .stopping import StopRequest
from .terminal import AsJson, Backend, ConfigFile, Spinner, print_json, say, tracked

if TYPE_CHECKING:
    from ..folder_run.jobs import Job
    from ..folder_run.pipeline import Outcome
    from ..options import Options

LOSSY = "note: JPEG and AVIF are lossy, known pixels change when they are written; use .png, .tif or .webp to keep them"


@dataclass
class RunSummary:
    """What came of a command."""

    jobs: int
    skipped: list[Job] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    seconds: float = 0.0
    stopped: int = 0  # exit code if a signal ended it

    @property
    def done(self) -> list[Job]:
        """Pictures that were filled."""
        return [outcome.job for outcome in self.outcomes if not outcome.error]

    @property
    def failed(self) -> list[Outcome]:
        """Pictures that could not be filled."""
        return [outcome for outcome in self.outcomes if outcome.error]


def inpaint(
    image: Annotated[Path, typer.Argument(help="Picture, or folder of pictures.")],
    mask: Annotated[
        Path, typer.Argument(help="Mask (white = missing); for a folder one mask for all, or a folder of masks with the same names.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Result file, or folder for results.")],
    attention_map: Annotated[
        Path | None, typer.Option("--attention-map", help="Also draw where the network looked (one picture only).")
    ] = None,
    dilate: Annotated[int | None, typer.Option("--dilate", min=0, help="Grow the hole by this many pixels.")] = None,
    mask_alpha: Annotated[bool, typer.Option("--mask-alpha", help="Read the hole from the mask's alpha channel.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Folders: make again the results that are there.")] = False,
    ray: Annotated[bool, typer.Option("--ray", help="Folders: spread the work with Ray, over this machine or --address.")] = False,
    address: Annotated[str | None, typer.Option("--address", help="Ray cluster; auto is the one this machine belongs to.")] = None,
    config: ConfigFile = None,
    backend: Backend = None,
    as_json: AsJson = False,
) -> None:
    """Fill the hole of a picture, or of every picture in a folder and its sub-folders.

    Folders: results keep the tree, and masks are found by it (photos/a/b.jpg takes masks/a/b.png). Hidden files, hidden folders and
    links to folders are left out.

    A run may be stopped at any time, and the same command continues it: results appear whole, and one that is there and no older
    than its picture and its mask is kept. A result made with other options counts, too: --overwrite makes it again.
    """
    from ..files.formats import is_lossy  # noqa: PLC0415  # heavy
    from ..folder_run import jobs as folders  # noqa: PLC0415  # heavy
    from ..options import Options  # noqa: PLC0415  # heavy

    _check_usage(image, attention_map, ray=ray, address=address)
    with Spinner("looking for pictures"):
        jobs = folders.jobs_of(image, mask, output)
    settings, options = load_config(config, backend), Options(dilate=dilate, mask_alpha=mask_alpha)
    if image.is_dir():
        report = _fill_folder(jobs, settings, options, overwrite=overwrite, ray=ray, address=address)
    else:
        report = _fill_one(jobs[0], settings, options, attention_map)
    if any(is_lossy(job.output) for job in report.done):
        say(LOSSY)
    _tell(report, folder=image.is_dir(), as_json=as_json, again="starts over" if overwrite else "continues")


def _check_usage(image: Path, attention_map: Path | None, *, ray: bool, address: str | None) -> None:
    if image.is_dir() and attention_map is not None:
        raise ConfigError("--attention-map draws one picture: give one image, not a folder")
    if ray and image.exists() and not image.is_dir():
        raise ConfigError(f"--ray spreads a folder of pictures, {image} is one picture: leave --ray out")
    if address is not None and not ray:
        raise ConfigError("--address names a Ray cluster: give --ray, too")


def _fill_one(job: Job, config: Config, options: Options, attention_map: Path | None) -> RunSummary:
    from ..folder_run import pipeline, steps  # noqa: PLC0415  # heavy
    from ..inpainter import Inpainter  # noqa: PLC0415  # heavy

    with Spinner(f"filling {job.image.name}"):
        steps.fill_file(job, Inpainter(config), options, attention_map)
    return RunSummary(1, outcomes=[pipeline.Outcome(job)])


def _fill_folder(jobs: list[Job], config: Config, options: Options, *, overwrite: bool, ray: bool, address: str | None) -> RunSummary:
    """Fill what is not done yet; a signal ends it early."""
    from gi_plugin.hooks.ray_cluster import folders as ray_folders  # noqa: PLC0415  # heavy

    from ..folder_run import jobs as folders, pipeline  # noqa: PLC0415  # heavy
    from ..inpainter import Inpainter  # noqa: PLC0415  # heavy

    report = RunSummary(len(jobs), skipped=[] if overwrite else [job for job in jobs if folders.is_finished(job)])
    kept = set(report.skipped)
    todo = [job for job in jobs if job not in kept]
    folders.remove_abandoned(todo)
    start = time.perf_counter()
    with ray_folders.connected(address) if ray and todo else nullcontext(), StopRequest("picture") as stop:
        if ray:
            outcomes = ray_folders.fill_files(todo, config, options, stop, overwrite=overwrite)
        else:
            outcomes = pipeline.run(todo, Inpainter(pipeline.for_many(config)), options, stop)
        with closing(outcomes):
            report.outcomes.extend(tracked(outcomes, len(todo)))
    report.outcomes.sort(key=lambda outcome: outcome.job.image)  # Ray's come as they are ready
    report.seconds = time.perf_counter() - start
    report.stopped = stop.exit_code if len(report.outcomes) < len(todo) else 0
    return report


def _tell(report: RunSummary, *, folder: bool, as_json: bool, again: str) -> None:
    """Print the report and end with the exit code that goes with it; `again` is what the same command does after a stop."""
    done, skipped, failed = report.done, report.skipped, report.failed
    if as_json:
        found = {"done": [str(job.output) for job in done], "skipped": [str(job.output) for job in skipped]}
        print_json({**found, "failed": {str(outcome.job.image): outcome.error for outcome in failed}, "seconds": round(report.seconds, 3)})
    for outcome in failed:
        say(f"failed: {outcome.error}", "red")
    if report.stopped:
        say(f"stopped: {len(done) + len(skipped)} of {report.jobs} pictures are filled; the same command {again}")
        raise typer.Exit(report.stopped)
    if folder and not as_json:
        rate = len(done) / max(report.seconds, 1e-9)
        say(f"{len(done)} filled, {len(skipped)} there already, {len(failed)} failed; {report.seconds:.1f} s, {rate:.3g} pictures/s")
    elif failed:
        say(f"{len(failed)} of {report.jobs} failed")
    if failed:
        raise typer.Exit(1)


COMMANDS: tuple[Callable[..., None], ...] = (inpaint,)
