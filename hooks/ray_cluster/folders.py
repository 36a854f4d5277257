"""Folder runs on a Ray cluster: the pictures are spread over its workers, which read, fill and write them."""

from __future__ import annotations

import logging
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from gi_plugin.config import Config, ModelSettings
from gi_plugin.engines import backend_status
from gi_plugin.errors import EngineError, require
from gi_plugin.folder_run.jobs import Job
from gi_plugin.folder_run.pipeline import FATAL, Outcome, never_stop
from gi_plugin.options import Options

from .data import FILE_OPTIONS, InpaintFiles, RayBatch

TRIES = 3  # workers that may die of a picture before it is given up
BLOCK = 16  # pictures per task, at most; a task costs Ray some milliseconds


class Tries:
    """An actor that counts how often something was begun: Ray repeats a dead worker's task for ever, and does not say which try it is."""

    def __init__(self) -> None:
        self._begun: Counter[str] = Counter()

    def begin(self, key: str) -> int:
        """Count a try, and tell how many there have been."""
        self._begun[key] += 1
        return self._begun[key]

    def end(self, key: str) -> None:
        """Forget what came to its end."""
        del self._begun[key]


class Worker(InpaintFiles):
    """The worker of `fill_files`: what would befall every picture is a column, and a picture that ends its worker is given up at last."""

    def __init__(self, tries: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self._tries = tries

    def __call__(self, batch: RayBatch) -> RayBatch:
        """Fill the pictures of a task; one by one if a worker died of it before."""
        if self._begin(f"task {batch['job'][0]}") == 1:
            return self.fill(batch)
        rows = [self._alone({name: values[row : row + 1] for name, values in batch.items()}) for row in range(len(batch["job"]))]
        return {name: [value for row in rows for value in row[name]] for name in rows[0]}

    def fill(self, batch: RayBatch) -> RayBatch:
        """Fill the pictures of a task."""
        try:
            done, fatal = super().__call__(batch), ""
        except FATAL as error:
            done, fatal = {**batch, "error": [str(error)] * len(batch["job"])}, type(error).__name__
        return {**done, "fatal": [fatal] * len(batch["job"])}

    def _alone(self, batch: RayBatch) -> RayBatch:
        """One picture of a task whose worker died."""
        key = f"picture {batch['job'][0]}"
        if self._begin(key) > TRIES:
            error = f"{batch['image'][0]}: {TRIES} workers died of it, one after the other: it may need more memory than they have"
            return {**batch, "error": [error], "fatal": [""]}
        done = self.fill(batch)
        self._tries.end.remote(key)
        return done

    def _begin(self, key: str) -> int:
        return int(_ray().get(self._tries.begin.remote(key)))


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Ray for the length of a command: the cluster at `address` ("auto": the one this machine belongs to), or one of this machine alone.

    :raises MissingDependency: if Ray is not installed.
    :raises EngineError: if there is no such cluster.
    """
    ray = _ray()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # nothing of ours asks or tells anything outside
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    own = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address or "local", logging_level=logging.ERROR, log_to_driver=False, **own)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise EngineError(f"Ray cannot be used{f' at {address}' if address else ''}: {_brief(error)}") from error
    with redirect_stdout(sys.stderr):  # Ray tells of dead workers there, at the end too, and a command's stdout is its answer
        try:
            yield
        finally:
            ray.shutdown()


def fill_files(
    jobs: Sequence[Job], config: Config, options: Options, stop: Callable[[], bool] = never_stop, *, overwrite: bool = False
) -> Generator[Outcome]:
    """Fill picture files with all workers of the cluster that this process is connected to; outcomes come as they are ready.

    Paths must lead to the same files on every machine. When a worker dies, its pictures go to another one; a picture of which `TRIES`
    workers died one after the other is a failure.

    :param stop: asked after each picture; the run ends once it says True.
    :raises GiError: if it would befall every picture.
    """
    if not jobs:
        return
    ray = _ray()
    config = replace(config, model=ModelSettings(str(Path(config.model.path).expanduser().absolute()) if config.model.path else ""))
    settings = {"config": config, "overwrite": overwrite, **{name: getattr(options, name) for name in FILE_OPTIONS}}
    tries = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(Tries).remote()
    size, gpus = workers(ray, config)
    block = min(BLOCK, math.ceil(len(jobs) / (4 * size)))
    rows = [{"job": number, **_paths(job)} for number, job in enumerate(jobs)]
    dataset = ray.data.from_items(rows, override_num_blocks=math.ceil(len(rows) / block)).map_batches(
        Worker,
        fn_constructor_kwargs={"tries": tries, **settings},
        compute=ray.data.ActorPoolStrategy(size=min(size, len(rows)), max_tasks_in_flight_per_actor=2),
        num_cpus=1,
        num_gpus=gpus,
    )
    dataset.context.enable_progress_bars = False
    try:
        for row in dataset.iter_rows():
            if row["fatal"]:
                raise next(kind for kind in FATAL if kind.__name__ == row["fatal"])(row["error"])
            yield Outcome(jobs[row["job"]], row["error"])
            if stop():
                return
    except ray.exceptions.RayError as error:
        raise EngineError(f"Ray failed: {_brief(error)}") from error


def _paths(job: Job) -> dict[str, str]:
    return {
        "image": str(job.image.absolute()),
        "mask": str(job.mask.absolute()) if job.mask else "",
        "output": str(job.output.absolute()),
    }


def workers(ray: ModuleType, config: Config) -> tuple[int, int]:
    """How many workers, and how many GPUs for each: one worker per GPU if the network is to run on GPUs, else one per CPU."""
    available = (status.name for status in backend_status() if status.available)
    backend = next(available, "") if config.engine.backend == "auto" else config.engine.backend
    resources = ray.cluster_resources()
    gpus = 0 if backend == "openvino" else int(resources.get("GPU", 0))
    return gpus or max(1, int(resources.get("CPU", 1))), min(gpus, 1)


def _brief(error: Exception) -> str:
    """The first line of a message of Ray, and the last, which has the cause."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " … ".join(dict.fromkeys((lines[0].strip(), lines[-1].strip())))


def _ray() -> ModuleType:
    require("ray.data", "ray")
    return require("ray", "ray")
