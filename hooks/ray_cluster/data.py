"""Ray Data: two classes for `Dataset.map_batches`, for rows that hold arrays and for rows that name files.

Each worker opens its engine once and keeps it. Ray is imported only by the functions that need it.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from gi_plugin.arrays import Array
from gi_plugin.config import Config, load_config
from gi_plugin.errors import GiError, require
from gi_plugin.folder_run import pipeline
from gi_plugin.folder_run.jobs import Job, is_finished
from gi_plugin.inpainter import Inpainter
from gi_plugin.options import Options

RayBatch = dict[str, Any]  # of a column's name to its values, as Ray Data's batch format "numpy"
FILE_OPTIONS = ("dilate", "mask_alpha", "detail", "sources", "seed")  # for picture files, which tell the rest themselves


class Inpaint:
    """Fills the holes of rows that hold arrays; give it to `Dataset.map_batches`.

    A row has `image` and `mask`, as `gi_plugin.inpaint` takes them; the others of its columns are kept. It gets `filled`, an array like
    `image`, and `error`: empty, or why `filled` is `image` as it was.

    :param config: the settings; None reads those of the machine on which the worker runs.
    :param options: as for `gi_plugin.inpaint`.
    :raises ConfigError: if an option or a setting is wrong; calls raise what would befall every picture.
    """

    def __init__(self, config: Config | None = None, **options: Any) -> None:
        self._inpainter = Inpainter(_for_this_worker(config or load_config()))
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
    """Fills picture files named by rows, and writes the results from the worker; give it to `Dataset.map_batches`.

    A row has the paths `image`, `mask` (empty: there is none) and `output`; the others of its columns are kept. It gets `error`: empty if
    the result was written. Results appear whole or not at all. One that is there, and no older than picture and mask, is not made again,
    so nothing is done twice when Ray repeats the task of a worker that died.

    :param config: the settings; None reads those of the machine on which the worker runs.
    :param overwrite: make again what is there.
    :param options: those of `FILE_OPTIONS`, as for `gi_plugin.inpaint`.
    :raises ConfigError: if an option or a setting is wrong; calls raise what would befall every picture.
    """

    def __init__(self, config: Config | None = None, *, overwrite: bool = False, **options: Any) -> None:
        self._inpainter = Inpainter(_for_this_worker(config or load_config()))
        self._overwrite, self._options = overwrite, Options.of(options)

    def __call__(self, batch: RayBatch) -> RayBatch:
        """Fill the pictures of a batch, with reading and writing beside the engine."""
        columns = (batch["image"], batch["mask"], batch["output"])
        jobs = [Job(Path(image), Path(mask) if mask else None, Path(output)) for image, mask, output in zip(*columns, strict=True)]
        todo = [job for job in jobs if self._overwrite or not is_finished(job)]
        errors = {outcome.job: outcome.error for outcome in pipeline.run(todo, self._inpainter, self._options)}
        return {**batch, "error": [errors.get(job, "") for job in jobs]}


def _for_this_worker(config: Config) -> Config:
    """The settings with as many threads as Ray gave CPUs to this worker, unless they say how many."""
    ray = require("ray", "ray")
    if config.engine.threads or not ray.is_initialized() or ray.get_runtime_context().get_actor_id() is None:
        return config
    cpus = int(ray.get_runtime_context().get_assigned_resources().get("CPU", 1))
    return replace(config, engine=replace(config.engine, threads=max(1, cpus)))
