"""The command `inpaint`: fill one picture file or a folder of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..config import Config, Detail, load_config
from ..errors import ConfigError
from ..folder_run.summary import RunSummary
from .plugin_options import MaskFrom, NoPlugins, Plugin, check_mask_source, choice_of, plugged
from .stopping import StopRequest
from .terminal import AsJson, Backend, ConfigFile, Spinner, print_json, say, tracked

if TYPE_CHECKING:
    from gi_plugin.hooks.calling.session import PluginChoice

    from ..folder_run.jobs import Job
    from ..options import Options

MOST_NOTES = 20  # lines of notes of a folder run
LOSSY = "note: JPEG and AVIF are lossy and change known pixels; write .png, .tif or .webp to keep them"


def inpaint(
    image: Annotated[Path, typer.Argument(help="Picture, or folder of pictures.")],
    mask: Annotated[
        Path | None,
        typer.Argument(help="Mask (white = missing). For a folder: one mask for all pictures, or a folder of masks with the same names."),
    ] = None,
    *,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Result file, or folder for results.")] = None,
    in_place: Annotated[
        bool, typer.Option("--in-place", help="Replace the picture by its result (one picture, lossless formats).")
    ] = False,
    mask_from: MaskFrom = None,
    attention_map: Annotated[
        Path | None, typer.Option("--attention-map", help="Also draw the attention map to this file (one picture only).")
    ] = None,
    dilate: Annotated[int | None, typer.Option("--dilate", min=0, help="Grow the hole by this many pixels.")] = None,
    mask_alpha: Annotated[bool, typer.Option("--mask-alpha", help="Read the hole from the mask's alpha channel.")] = False,
    invert_mask: Annotated[bool, typer.Option("--invert-mask", help="Black (with --mask-alpha: transparent) = missing.")] = False,
    mask_suffix: Annotated[
        str, typer.Option("--mask-suffix", help="Folders: the mask of a.png is a, then this text (_mask or -mask).")
    ] = "",
    data_range: Annotated[
        tuple[float, float] | None,
        typer.Option("--data-range", help="Lowest and highest value of the picture, if it is not 8 bits (default: from its known pixels)."),
    ] = None,
    detail: Annotated[
        Detail | None,
        typer.Option("--detail", help="transfer: pixels of the picture, guided by the network; network: the network's own pixels."),
    ] = None,
    sources: Annotated[
        Path | None, typer.Option("--sources", help="Mask of the region that pixels may come from (white = yes); as large as each picture.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Another number gives another result.")] = 0,
    sequence: Annotated[
        bool, typer.Option("--sequence", help="The folder holds the frames of a sequence, in the order of their names: fill them calmly.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Folders: also make results again that exist already.")] = False,
    ray: Annotated[bool, typer.Option("--ray", help="Folders: distribute the work with Ray, on this machine or on --address.")] = False,
    address: Annotated[str | None, typer.Option("--address", help="Ray cluster; auto is the one that this machine belongs to.")] = None,
    config: ConfigFile = None,
    backend: Backend = None,
    plugin: Plugin = None,
    no_plugins: NoPlugins = False,
    as_json: AsJson = False,
) -> None:
    """Fill the hole of a picture, or of every picture in a folder and its sub-folders.

    Folders: results and masks keep the folder tree, e.g. photos/a/b.jpg uses masks/a/b.png or masks/a/b_mask.png.
    Hidden files, hidden folders and links to folders are skipped.

    A run can be stopped at any time, and the same command continues it. Result files are never partial. A result that is no older than
    its picture and its mask is kept, even if it was made with other options; --overwrite makes it again.
    """
    from ..files import read_mask  # noqa: PLC0415  # heavy
    from ..files.formats import is_lossy  # noqa: PLC0415  # heavy
    from ..folder_run import jobs as folders  # noqa: PLC0415  # heavy
    from ..options import Options  # noqa: PLC0415  # heavy

    output = _checked_output(image, output, in_place=in_place)
    _check_usage(image, attention_map, ray=ray, address=address, sequence=sequence)
    check_mask_source(mask, mask_from)
    choice = choice_of(plugin, no_plugins, mask_from)
    with Spinner("looking for pictures"):
        jobs = folders.jobs_of(image, mask, output, mask_suffix, in_place=in_place)
    if attention_map is not None:
        folders.check_not_overwritten(attention_map, result=jobs[0].output, input_picture=image, **({} if mask is None else {"mask": mask}))
    settings = load_config(config, backend)
    region = None if sources is None else read_mask(sources, settings.hook.max_pixels)
    options = Options(-1, data_range, dilate, mask_alpha, detail, region, seed, invert_mask)
    if sequence:
        report = _fill_sequence(jobs, settings, options, choice)
    elif image.is_dir():
        report = _fill_folder(jobs, settings, options, choice, overwrite=overwrite, ray=ray, address=address)
    else:
        report = _fill_one(jobs[0], settings, options, choice, attention_map)
    if any(is_lossy(job.output) for job in report.done):
        say(LOSSY)
    _print_summary(report, folder=image.is_dir(), as_json=as_json, restart="starts over" if overwrite or sequence else "continues")


def _checked_output(image: Path, output: Path | None, *, in_place: bool) -> Path:
    """Return where the result goes; with --in-place, the picture itself."""
    if in_place and image.is_dir():
        raise ConfigError(f"--in-place works on one picture, {image} is a folder: give another folder for the results with --output")
    if in_place and output is not None:
        raise ConfigError("--in-place replaces the picture: leave --output out")
    if in_place:
        return image
    if output is None:
        raise ConfigError("there is no place for the result: give --output, or --in-place to replace the picture")
    return output


def _check_usage(image: Path, attention_map: Path | None, *, ray: bool, address: str | None, sequence: bool) -> None:
    if image.is_dir() and attention_map is not None:
        raise ConfigError(f"--attention-map works on one picture, {image} is a folder: give one picture, or leave --attention-map out")
    if ray and image.exists() and not image.is_dir():
        raise ConfigError(f"--ray works on a folder of pictures, {image} is one picture: leave --ray out")
    if sequence and (ray or (image.exists() and not image.is_dir())):
        raise ConfigError("--sequence works on a folder of frames, on one machine: give a folder, and leave --ray out")
    if address is not None and not ray:
        raise ConfigError("--address names a Ray cluster: also give --ray")


def _fill_one(job: Job, config: Config, options: Options, choice: PluginChoice, attention_map: Path | None) -> RunSummary:
    from ..folder_run import steps  # noqa: PLC0415  # heavy

    with Spinner(f"filling {job.image.name}"):
        return RunSummary(1, outcomes=[steps.fill_file(job, plugged(config, choice), options, attention_map)])


def _fill_sequence(jobs: list[Job], config: Config, options: Options, choice: PluginChoice) -> RunSummary:
    """Fill the frames of a sequence; a signal ends the run early."""
    from ..folder_run.frames import run_sequence  # noqa: PLC0415  # heavy

    inpainter, report, start = plugged(config, choice), RunSummary(len(jobs)), time.perf_counter()
    with StopRequest("frame") as stop:
        report.outcomes.extend(tracked(run_sequence(jobs, inpainter, inpainter.fill_frames, options, stop), len(jobs)))
    report.seconds = time.perf_counter() - start
    report.stopped = stop.exit_code if len(report.outcomes) < len(jobs) else 0
    return report


def _fill_folder(
    jobs: list[Job], config: Config, options: Options, choice: PluginChoice, *, overwrite: bool, ray: bool, address: str | None
) -> RunSummary:
    """Fill the pictures that have no up-to-date result; a signal ends the run early."""
    from gi_plugin.hooks.ray_cluster import folders as ray_folders  # noqa: PLC0415  # heavy

    from ..folder_run import jobs as folders, pipeline  # noqa: PLC0415  # heavy

    report = RunSummary(len(jobs), skipped=[] if overwrite else [job for job in jobs if folders.is_finished(job)])
    kept = set(report.skipped)
    todo = [job for job in jobs if job not in kept]
    folders.remove_abandoned(todo)
    start = time.perf_counter()
    with ray_folders.connected(address) if ray and todo else nullcontext(), StopRequest("picture") as stop:
        if ray:
            outcomes = ray_folders.fill_files(todo, config, options, stop, overwrite=overwrite, choice=choice)
        else:
            outcomes = pipeline.run(todo, plugged(pipeline.for_many(config), choice), options, stop)
        with closing(outcomes):
            report.outcomes.extend(tracked(outcomes, len(todo)))
    report.outcomes.sort(key=lambda outcome: outcome.job.image)  # Ray yields outcomes in the order of completion
    report.seconds = time.perf_counter() - start
    report.stopped = stop.exit_code if len(report.outcomes) < len(todo) else 0
    return report


def _print_summary(report: RunSummary, *, folder: bool, as_json: bool, restart: str) -> None:
    """Print the summary and raise `typer.Exit` if something failed or a signal came.

    :param restart: what the same command does after a stop, e.g. "continues".
    """
    done, skipped, failed = report.done, report.skipped, report.failed
    if as_json:
        results = {"done": [str(job.output) for job in done], "skipped": [str(job.output) for job in skipped]}
        errors = {str(outcome.job.image): outcome.error for outcome in failed}
        notes = {str(outcome.job.output): outcome.notes for outcome in report.outcomes if outcome.notes}
        ranges = {str(outcome.job.output): outcome.data_range for outcome in report.outcomes if outcome.data_range}
        print_json({**results, "failed": errors, "data_range": ranges, "notes": notes, "seconds": round(report.seconds, 3)})
    _say_notes(report)
    for outcome in failed:
        say(f"failed: {outcome.error}", "red")
    if report.stopped:
        say(f"stopped: {len(done) + len(skipped)} of {report.jobs} pictures are filled; the same command {restart}")
        raise typer.Exit(report.stopped)
    if folder and not as_json:
        rate = len(done) / max(report.seconds, 1e-9)
        say(f"{len(done)} filled, {len(skipped)} skipped, {len(failed)} failed; {report.seconds:.1f} s, {rate:.3g} pictures/s")
    elif failed:
        say(f"{len(failed)} of {report.jobs} failed")
    if failed:
        raise typer.Exit(1)


def _say_notes(report: RunSummary) -> None:
    """Print what the outcomes note, each line once."""
    notes = list(dict.fromkeys(note for outcome in report.outcomes for note in outcome.notes))
    for note in notes[:MOST_NOTES]:
        say(f"note: {note}")
    if len(notes) > MOST_NOTES:
        say(f"note: {len(notes) - MOST_NOTES} further notes of this kind; --json lists all")


COMMANDS: tuple[Callable[..., None], ...] = (inpaint,)
