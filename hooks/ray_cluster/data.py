"""Two classes for Ray Data's `Dataset.map_batches`: one for rows with arrays, one for rows with file names.

Each worker opens its engine once and keeps it. Only the functions that need Ray import it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gi_plugin.arrays import Array
from gi_plugin.config import Config, load_config
from gi_plugin.errors import GiError, require
from gi_plugin.folder_run import pipeline
from gi_plugin.folder_run.jobs import Job, is_finished
from gi_plugin.folder_run.steps import Outcome
from gi_plugin.options import Options

from ..calling.session import PluggedInpainter, PluginChoice

RayBatch = dict[str, Any]  # maps a column's name to its values: Ray Data's batch format "numpy"
ALL_PLUGINS = PluginChoice()
FILE_OPTIONS = ("data_range", "dilate", "mask_alpha", "detail", "sources", "seed", "invert_mask")  # the channels are those of the file


class Inpaint:
    """Fill the holes of rows with arrays. Pass this class to `Dataset.map_batches`.

    Input columns: `image` and `mask`, as for `gi_plugin.inpaint`; other columns are kept. Added columns: `filled`, an array like `image`,
    and `error`, empty or the reason why `filled` is the unchanged `image`.

    :param config: the settings; None reads the settings of the worker's machine.
    :param choice: which of the worker's plugins take part.
    :param options: as for `gi_plugin.inpaint`.
    :raises ConfigError: if an option or a setting is wrong. Calls raise errors that affect the whole run.
    """

    def __init__(self, config: Config | None = None, choice: PluginChoice = ALL_PLUGINS, **options: Any) -> None:
        self._inpainter = PluggedInpainter(_for_this_worker(config or load_config()), choice=choice)
        self._options = Options.of(options)

    def __call__(self, batch: RayBatch) -> RayBatch:
        """Fill the holes of a batch."""
        results = [self._fill(image, mask) for image, mask in zip(batch["image"], batch["mask"], strict=True)]
        return {**batch, "filled": [filled for filled, _ in results], "error": [error for _, error in results]}

    def _fill(self, image: Array, mask: Array) -> tuple[Array, str]:
        try:
            return self._inpainter.run(image, mask, self._options).image, ""
        except pipeline.FATAL:
            raise
        except GiError as error:
            return image, str(error)


class InpaintFiles:
    """Fill picture files and write the results on the worker. Pass this class to `Dataset.map_batches`.

    Input columns: the paths `image`, `mask` (empty if there is none) and `output`; other columns are kept. Added columns: `error`, empty if
    the result was written; `notes`, lines about a doubtful mask or contents that the result does not have; `low` and `high`, the values
    that the network saw as black and white (NaN for a result that was kept).

    A result file appears whole or not at all. An existing result that is no older than its picture and mask is kept, so that nothing is
    done twice when Ray repeats the task of a worker that died.

    :param config: the settings; None reads the settings of the worker's machine.
    :param choice: which of the worker's plugins take part.
    :param overwrite: fill pictures again whose results exist.
    :param options: those of `FILE_OPTIONS`, as for `gi_plugin.inpaint`.
    :raises ConfigError: if an option or a setting is wrong. Calls raise errors that affect the whole run.
    """

    def __init__(
        self, config: Config | None = None, choice: PluginChoice = ALL_PLUGINS, *, overwrite: bool = False, **options: Any
    ) -> None:
        self._inpainter = PluggedInpainter(_for_this_worker(config or load_config()), choice=choice)
        self._overwrite, self._options = overwrite, Options.of(options)

    def __call__(self, batch: RayBatch) -> RayBatch:
        """Fill the pictures of a batch; reading and writing run in parallel to the engine."""
        problems = batch.get("problem", [""] * len(batch["image"]))
        rows = zip(batch["image"], batch["mask"], batch["output"], problems, strict=True)
        found = self._inpainter.choice.mask_source is not None
        jobs = [Job(Path(image), Path(mask) if mask else None, Path(output), str(problem), found) for image, mask, output, problem in rows]
        todo = [job for job in jobs if self._overwrite or not is_finished(job)]
        outcomes = {outcome.job: outcome for outcome in pipeline.run(todo, self._inpainter, self._options)}
        return {**batch, **columns([outcomes.get(job, Outcome(job)) for job in jobs])}


def columns(outcomes: Sequence[Outcome]) -> RayBatch:
    """Return the columns that tell the outcomes of jobs."""
    ranges = [outcome.data_range or (math.nan, math.nan) for outcome in outcomes]
    return {
        "error": [outcome.error for outcome in outcomes],
        "notes": ["\n".join(outcome.notes) for outcome in outcomes],
        "low": [low for low, _ in ranges],
        "high": [high for _, high in ranges],
    }


def outcome_of(job: Job, row: Mapping[str, Any]) -> Outcome:
    """Return the outcome that a row with the columns of `columns` tells."""
    data_range = None if math.isnan(row["low"]) else (float(row["low"]), float(row["high"]))
    return Outcome(job, row["error"], tuple(row["notes"].splitlines()), data_range)


def _for_this_worker(config: Config) -> Config:
    """Set the number of threads to the number of CPUs that Ray assigned to this worker, unless the settings name one."""
    ray = require("ray", "ray")
    if config.engine.threads or not ray.is_initialized() or ray.get_runtime_context().get_actor_id() is None:
        return config
    cpus = int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1))
    return replace(config, engine=replace(config.engine, threads=max(1, cpus)))
