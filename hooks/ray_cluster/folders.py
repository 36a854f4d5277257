"""Folder runs on a Ray cluster: its workers read, fill and write the pictures."""

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
from gi_plugin.folder_run.pipeline import FATAL, never_stop
from gi_plugin.folder_run.steps import Outcome
from gi_plugin.options import Options

from ..calling.session import PluginChoice
from .data import ALL_PLUGINS, FILE_OPTIONS, InpaintFiles, RayBatch, columns, outcome_of

MAX_TRIES = 3  # a picture fails after as many workers have died while filling it
MAX_BLOCK = 16  # pictures per task; each task costs Ray some milliseconds


class TryCounter:
    """A Ray actor that counts tries. Ray repeats the task of a dead worker without limit and does not report the number of the try."""

    def __init__(self) -> None:
        self._tries: Counter[str] = Counter()

    def begin(self, key: str) -> int:
        """Count a try and return the number of tries so far."""
        self._tries[key] += 1
        return self._tries[key]

    def end(self, key: str) -> None:
        """Delete the count of a picture that was finished."""
        del self._tries[key]


class Worker(InpaintFiles):
    """The worker of `fill_files`. Errors that affect the whole run go into a column; a picture that keeps killing workers is given up."""

    def __init__(self, try_counter: Any, **settings: Any) -> None:
        super().__init__(**settings)
        self._try_counter = try_counter

    def __call__(self, batch: RayBatch) -> RayBatch:
        """Fill the pictures of a task, one by one if a worker died during an earlier try of the task."""
        if self._begin(f"task {batch['job'][0]}") == 1:
            return self.fill(batch)
        rows = [self._fill_one({name: values[row : row + 1] for name, values in batch.items()}) for row in range(len(batch["job"]))]
        return {name: [value for row in rows for value in row[name]] for name in rows[0]}

    def fill(self, batch: RayBatch) -> RayBatch:
        """Fill the pictures of a task; the column `fatal` has the class of an error that affects the whole run."""
        try:
            done, fatal = super().__call__(batch), ""
        except FATAL as error:
            failed = Outcome(Job(Path(), None, Path()), str(error))
            done, fatal = {**batch, **columns([failed] * len(batch["job"]))}, type(error).__name__
        return {**done, "fatal": [fatal] * len(batch["job"])}

    def _fill_one(self, batch: RayBatch) -> RayBatch:
        """Fill one picture of a task whose worker died, unless it was tried too often."""
        key = f"picture {batch['job'][0]}"
        if self._begin(key) > MAX_TRIES:
            error = f"{batch['image'][0]}: {MAX_TRIES} workers died while filling it; it may need more memory than a worker has"
            return {**batch, **columns([Outcome(Job(Path(), None, Path()), error)]), "fatal": [""]}
        done = self.fill(batch)
        self._try_counter.end.remote(key)
        return done

    def _begin(self, key: str) -> int:
        return int(_ray().get(self._try_counter.begin.remote(key)))


@contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Connect to Ray inside a `with` block.

    :param address: of a cluster; "auto" is the cluster of this machine; None starts Ray on this machine alone.
    :raises MissingDependency: if Ray is not installed.
    :raises EngineError: if there is no cluster at the address, or Ray does not start.
    """
    ray = _ray()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # send no usage statistics
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    local_settings = {} if address else {"include_dashboard": False}
    try:
        ray.init(address=address or "local", logging_level=logging.ERROR, log_to_driver=False, **local_settings)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise EngineError(f"Ray cannot be used{f' at {address}' if address else ''}: {_brief(error)}") from error
    with redirect_stdout(sys.stderr):  # Ray reports dead workers on stdout, even at shutdown; stdout is for the command's result
        try:
            yield
        finally:
            ray.shutdown()


def fill_files(
    jobs: Sequence[Job],
    config: Config,
    options: Options,
    stop: Callable[[], bool] = never_stop,
    *,
    overwrite: bool = False,
    choice: PluginChoice = ALL_PLUGINS,
) -> Generator[Outcome]:
    """Fill picture files with all workers of the connected cluster, and yield outcomes in the order of completion.

    Paths must lead to the same files on every machine. When a worker dies, another one takes its pictures; a picture fails after
    `MAX_TRIES` workers have died while filling it.

    :param stop: called after each picture; the run ends when it returns True.
    :param overwrite: fill pictures again whose results exist.
    :param choice: which of the workers' plugins take part.
    :raises GiError: if an error affects the whole run: a wrong setting, no network, no engine, or a failure of Ray.
    """
    if not jobs:
        return
    ray = _ray()
    config = replace(config, model=ModelSettings(_absolute(config.model.path), _absolute(config.model.thin)))
    settings = {"config": config, "overwrite": overwrite, "choice": choice, **{name: getattr(options, name) for name in FILE_OPTIONS}}
    try_counter = ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)(TryCounter).remote()
    size, gpus = workers(ray, config)
    block = min(MAX_BLOCK, math.ceil(len(jobs) / (4 * size)))
    rows = [{"job": number, **_paths(job)} for number, job in enumerate(jobs)]
    dataset = ray.data.from_items(rows, override_num_blocks=math.ceil(len(rows) / block)).map_batches(
        Worker,
        fn_constructor_kwargs={"try_counter": try_counter, **settings},
        compute=ray.data.ActorPoolStrategy(size=min(size, len(rows)), max_tasks_in_flight_per_actor=2),
        num_cpus=1,
        num_gpus=gpus,
    )
    dataset.context.enable_progress_bars = False
    try:
        for row in dataset.iter_rows():
            if row["fatal"]:
                raise next(error_class for error_class in FATAL if error_class.__name__ == row["fatal"])(row["error"])
            yield outcome_of(jobs[row["job"]], row)
            if stop():
                return
    except ray.exceptions.RayError as error:
        raise EngineError(f"Ray failed: {_brief(error)}") from error


def _absolute(path: str) -> str:
    return str(Path(path).expanduser().absolute()) if path else ""


def _paths(job: Job) -> dict[str, str]:
    return {
        "image": str(job.image.absolute()),
        "mask": str(job.mask.absolute()) if job.mask else "",
        "problem": job.problem,
        "output": str(job.output.absolute()),
    }


def workers(ray: ModuleType, config: Config) -> tuple[int, int]:
    """Return the number of workers and the GPUs of each: one worker per GPU if the backend runs on GPUs, else one worker per CPU."""
    available = (status.name for status in backend_status(config.engine) if status.available)
    backend = next(available, "") if config.engine.backend == "auto" else config.engine.backend
    resources = ray.cluster_resources()
    gpus = 0 if backend == "openvino" else int(resources.get("GPU", 0))
    return gpus or max(1, int(resources.get("CPU", 1))), min(gpus, 1)


def _brief(error: Exception) -> str:
    """Shorten a message of Ray to its first line and its last line, which has the cause."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return " … ".join(dict.fromkeys((lines[0].strip(), lines[-1].strip())))


def _ray() -> ModuleType:
    require("ray.data", "ray")
    return require("ray", "ray")
