"""The command `inpaint`: fill one picture file, several of them, or a folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...config import Config, check_settings, load_config
from ...errors import ConfigError
from ...folder_run.summary import RunSummary
from ..plugin_options import NoPlugins, Plugin, choice_of, plugged
from ..stopping import StopRequest
from ..terminal import AsJson, Backend, ConfigFile, Spinner, tracked
from . import parameters
from .inputs import Inputs, inputs_of, names_folder, place_of
from .report import Reporter
from .streams import STREAM, Streams

if TYPE_CHECKING:
    from gi_plugin.hooks.calling.session import PluginChoice

    from ...folder_run.jobs import Job
    from ...options import Options


def inpaint(
    paths: parameters.Paths,
    *,
    output: parameters.Output = None,
    in_place: parameters.InPlace = False,
    attention_map: parameters.AttentionMap = None,
    mask: parameters.Mask = None,
    box: parameters.Box = None,
    mask_from: parameters.MaskFrom = None,
    dilate: parameters.Dilate = None,
    mask_alpha: parameters.MaskAlpha = False,
    invert_mask: parameters.InvertMask = False,
    mask_suffix: parameters.MaskSuffix = "",
    detail: parameters.DetailFrom = None,
    sources: parameters.Sources = None,
    seed: parameters.Seed = 0,
    data_range: parameters.DataRange = None,
    sequence: parameters.Sequence = False,
    overwrite: parameters.Overwrite = False,
    ray: parameters.WithRay = False,
    address: parameters.Address = None,
    quiet: parameters.Quiet = False,
    verbose: parameters.Verbose = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    backend: Backend = None,
    plugin: Plugin = None,
    no_plugins: NoPlugins = False,
) -> None:
    """Fill the hole of a picture, or of every picture in a folder and its sub-folders.

    Folders: results and masks keep the folder tree, e.g. photos/a/b.jpg uses masks/a/b.png or masks/a/b_mask.png.
    Hidden files, hidden folders and links to folders are skipped.

    A run can be stopped at any time, and the same command continues it. Result files are never partial. A result that is no older than
    its picture and its mask is kept, even if it was made with other options; --overwrite makes it again.
    """
    from ...files import read_mask  # noqa: PLC0415  # heavy
    from ...options import Options  # noqa: PLC0415  # heavy

    start = time.perf_counter()
    inputs = inputs_of(paths, mask, box or (), mask_from)
    place = place_of(inputs, output, in_place=in_place)
    _check_usage(inputs, attention_map, ray=ray, address=address, sequence=sequence)
    _check_mask_options(inputs, mask_alpha=mask_alpha, invert_mask=invert_mask, ray=ray and mask_from is None)
    _check_streams(place, quiet=quiet, verbose=verbose, as_json=as_json)
    choice, settings = choice_of(plugin, no_plugins, mask_from), load_config(config, backend)
    if dilate is not None:
        check_settings(replace(settings.hook, dilate=dilate), "command line:")
    with Streams() as streams:
        reporter = Reporter(streams.named, quiet, verbose, as_json)
        jobs = _jobs(inputs, place, mask_suffix, streams, in_place=in_place)
        _check_map(attention_map, jobs[0])
        region = None if sources is None else read_mask(sources, settings.hook.max_pixels)
        options = Options(-1, data_range, dilate, mask_alpha, detail, region, seed, invert_mask)
        if sequence:
            report = _fill_sequence(jobs, settings, options, choice, reporter)
        elif inputs.many:
            report = _fill_many(jobs, settings, options, choice, reporter, overwrite=overwrite, ray=ray, address=address)
        else:
            report = _fill_one(jobs[0], settings, options, choice, reporter, attention_map)
        report.seconds = time.perf_counter() - start
        if place == STREAM:
            streams.send(jobs[0].output)
        reporter.finish(report, many=inputs.many, restart="starts over" if overwrite or sequence else "continues")


def _check_usage(inputs: Inputs, attention_map: Path | None, *, ray: bool, address: str | None, sequence: bool) -> None:
    one = not inputs.many and (inputs.pictures[0].exists() or str(inputs.pictures[0]) == STREAM)
    if inputs.many and attention_map is not None:
        raise ConfigError(f"--attention-map works on one picture, {inputs}: give one picture, or leave --attention-map out")
    if ray and one:
        raise ConfigError(f"--ray works on a folder of pictures, {inputs}: leave --ray out")
    if sequence and (ray or one):
        raise ConfigError("--sequence works on a folder of frames, on one machine: give a folder, and leave --ray out")
    if address is not None and not ray:
        raise ConfigError("--address names a Ray cluster: also give --ray")


def _check_mask_options(inputs: Inputs, *, mask_alpha: bool, invert_mask: bool, ray: bool) -> None:
    """Check the options about mask files, if there is no mask file; `ray`: on a cluster, without a plugin that finds masks."""
    if inputs.mask is None and (mask_alpha or invert_mask):
        raise ConfigError("--mask-alpha and --invert-mask say how a mask file is read, and there is none: leave them out, or give a mask")
    if inputs.mask is None and ray:
        raise ConfigError("--ray needs mask files, or --mask-from: give a mask, or leave --ray out")


def _check_streams(place: str, *, quiet: bool, verbose: bool, as_json: bool) -> None:
    if place == STREAM and as_json:
        raise ConfigError("--json and --output - both write to standard output: give a file for the result")
    if quiet and verbose:
        raise ConfigError("--quiet and --verbose contradict each other: leave one out")


def _check_map(attention_map: Path | None, job: Job) -> None:
    from ...folder_run.jobs import check_not_overwritten  # noqa: PLC0415  # heavy

    if attention_map is not None:
        others = {} if job.mask is None else {"mask": job.mask}
        check_not_overwritten(attention_map, result=job.output, input_picture=job.image, **others)


def _jobs(inputs: Inputs, place: str, mask_suffix: str, streams: Streams, *, in_place: bool) -> list[Job]:
    """Pair pictures, masks and results."""
    from ...folder_run.jobs import jobs_of, jobs_of_files  # noqa: PLC0415  # heavy

    mask = None if inputs.mask is None else streams.source(inputs.mask)
    with Spinner("looking for pictures"):
        if inputs.several:
            jobs = jobs_of_files([streams.source(path) for path in inputs.pictures], mask, Path(place), mask_suffix)
        else:
            picture = streams.source(inputs.pictures[0])
            jobs = jobs_of(picture, mask, _output(picture, place, streams), mask_suffix, in_place=in_place)
    return [replace(job, boxes=inputs.boxes) for job in jobs]


def _output(picture: Path, place: str, streams: Streams) -> Path:
    """Return the result of one picture, or the folder for the results of a folder."""
    from ...files import output_name  # noqa: PLC0415  # heavy

    if place == STREAM:
        return streams.target(picture)
    return Path(place) / output_name(picture) if names_folder(place) and picture.is_file() else Path(place)


def _fill_one(
    job: Job, config: Config, options: Options, choice: PluginChoice, reporter: Reporter, attention_map: Path | None
) -> RunSummary:
    from ...folder_run import steps  # noqa: PLC0415  # heavy

    text = f"filling {job.image.name}"
    with Spinner(text, quiet=reporter.quiet) as show_text:
        inpainter = plugged(config, choice)
        watched = replace(options, progress=lambda share: show_text(f"{text}: {share:.0%}"))
        outcome = steps.fill_file(job, inpainter, watched, attention_map)
    report = RunSummary(1, outcomes=list(reporter.outcomes([outcome])))
    reporter.engines(inpainter.backends)
    return report


def _fill_sequence(jobs: list[Job], config: Config, options: Options, choice: PluginChoice, reporter: Reporter) -> RunSummary:
    """Fill the frames of a sequence; a signal ends the run early."""
    from ...folder_run.frames import run_sequence  # noqa: PLC0415  # heavy

    inpainter, report = plugged(config, choice), RunSummary(len(jobs))
    with StopRequest("frame") as stop:
        outcomes = reporter.outcomes(run_sequence(jobs, inpainter, inpainter.fill_frames, options, stop))
        report.outcomes.extend(tracked(outcomes, len(jobs), quiet=reporter.quiet))
    reporter.engines(inpainter.backends)
    report.stopped = stop.exit_code if len(report.outcomes) < len(jobs) else 0
    return report


def _fill_many(
    jobs: list[Job],
    config: Config,
    options: Options,
    choice: PluginChoice,
    reporter: Reporter,
    *,
    overwrite: bool,
    ray: bool,
    address: str | None,
) -> RunSummary:
    """Fill the pictures that have no up-to-date result; a signal ends the run early."""
    from gi_plugin.hooks.ray_cluster import folders as ray_folders  # noqa: PLC0415  # heavy

    from ...folder_run import jobs as folders, pipeline  # noqa: PLC0415  # heavy

    report = RunSummary(len(jobs), skipped=[] if overwrite else [job for job in jobs if folders.is_finished(job)])
    kept = set(report.skipped)
    todo = [job for job in jobs if job not in kept]
    folders.remove_abandoned(todo)
    inpainter = None if ray else plugged(pipeline.for_many(config), choice)
    with ray_folders.connected(address) if ray and todo else nullcontext(), StopRequest("picture") as stop:
        if inpainter is None:
            outcomes = ray_folders.fill_files(todo, config, options, stop, overwrite=overwrite, choice=choice)
        else:
            outcomes = pipeline.run(todo, inpainter, options, stop)
        with closing(outcomes):
            report.outcomes.extend(tracked(reporter.outcomes(outcomes), len(todo), quiet=reporter.quiet))
    reporter.engines(() if inpainter is None else inpainter.backends)
    report.outcomes.sort(key=lambda outcome: outcome.job.image)  # Ray yields outcomes in the order of completion
    report.stopped = stop.exit_code if len(report.outcomes) < len(todo) else 0
    return report


COMMANDS: tuple[Callable[..., None], ...] = (inpaint,)
