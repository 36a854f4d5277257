"""Ray Data on a real local Ray with two workers: results equal those of one process, and a killed worker loses nothing."""

from __future__ import annotations

import gc
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gi_plugin
from gi_plugin.config import Config, Detail, EngineSettings, ModelSettings
from gi_plugin.errors import MissingDependency, ModelError
from gi_plugin.folder_run import jobs as folders, pipeline
from gi_plugin.folder_run.jobs import Job
from gi_plugin.hooks.ray_cluster import folders as ray_folders
from gi_plugin.hooks.ray_cluster.data import Inpaint, RayBatch
from gi_plugin.inpainter import Inpainter
from gi_plugin.options import Options
from tests.gi_plugin.folder_run import mixed
from tests.hooks.pictures import picture
from tests.product import ROOT

RAYS_OWN_WARNINGS = "ignore:`use_(push_based_shuffle|polars|arrow_tensor_v2)`:DeprecationWarning:ray.data.context"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800), pytest.mark.filterwarnings(RAYS_OWN_WARNINGS)]
ONE_THREAD = Config(engine=EngineSettings(backend="openvino", threads=1))  # like each worker
COUNT = 24  # good pictures
ray: Any = pytest.importorskip("ray", reason="Ray is not installed: pip install 'gi-plugin[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Ray with two CPUs, one GPU that does not exist, and its own folder."""
    import ray.data  # noqa: PLC0415  # slow import

    folder = Path(tempfile.mkdtemp(prefix="gi-", dir="/tmp"))  # a short path: it is part of the names of sockets
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(folder))  # Ray stores a token there
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_TMPDIR", str(folder))
        ray.init(address="local", num_cpus=2, num_gpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        logging.getLogger("ray.data").setLevel(logging.CRITICAL)
        try:
            yield ray.get_runtime_context().gcs_address
        finally:
            with warnings.catch_warnings(action="ignore", category=ResourceWarning):  # Ray does not wait for the processes that it ends
                ray.shutdown()
                gc.collect()
            shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class Pictures:
    """Folders of pictures and masks, and the results of a run in this process."""

    good: Path
    broken: Path
    files: dict[Path, bytes]  # content of the results of the good pictures, by path below the results' folder
    errors: dict[Path, str]  # error of each picture in `broken`

    def good_jobs(self, output: Path) -> list[Job]:
        """Jobs for the good pictures."""
        return folders.jobs_of(self.good / "in", self.good / "masks", output)

    def broken_jobs(self, output: Path) -> list[Job]:
        """Jobs for the broken pictures."""
        return folders.jobs_of(self.broken / "in", self.broken / "masks", output)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    """Good and broken pictures, filled by this process with one thread; the tests compare with these results."""
    good, broken, output = (tmp_path_factory.mktemp(name) for name in ("good", "broken", "one-process"))
    mixed.make_good(good / "in", good / "masks", COUNT)
    for folder in ("in", "masks"):
        (broken / folder).mkdir()
    mixed.make_broken(broken / "in", broken / "masks")
    made = Pictures(good, broken, {}, {})
    inpainter = Inpainter(ONE_THREAD)
    assert not any(outcome.error for outcome in pipeline.run(made.good_jobs(output), inpainter, Options()))
    made.files.update(_files(output))
    made.errors.update({outcome.job.image: outcome.error for outcome in pipeline.run(made.broken_jobs(output), inpainter, Options())})
    return made


def _files(folder: Path) -> dict[Path, bytes]:
    """The content of all files below a folder, by path."""
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _children(name: str, parent: int) -> list[int]:
    """Return the descendants of process `parent` whose command line begins with `name`."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            line, status = (entry / "cmdline").read_text(), (entry / "stat").read_text()
        except OSError:
            continue  # the process has ended
        ancestor = int(status.rpartition(")")[2].split()[1])
        if line.startswith(name) and (ancestor == parent or _is_below(ancestor, parent)):
            found.append(int(entry.name))
    return found


def _is_below(process: int, ancestor: int) -> bool:
    while process > 1 and process != ancestor:
        process = int(Path(f"/proc/{process}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
    return process == ancestor


@pytest.mark.usefixtures("cluster")
def test_workers_do_what_one_process_does(pictures: Pictures, tmp_path: Path) -> None:
    """Result files are equal byte for byte, and failures have the same messages as in one process."""
    good, broken = pictures.good_jobs(tmp_path), pictures.broken_jobs(tmp_path)
    found = {outcome.job.image: outcome.error for outcome in ray_folders.fill_files(good + broken, ONE_THREAD, Options())}
    assert sum(map(bool, pictures.errors.values())) == len(broken) == len(mixed.FILES) + len(mixed.MASKS)
    assert found == {**{job.image: "" for job in good}, **pictures.errors}
    assert _files(tmp_path) == pictures.files


@pytest.mark.usefixtures("cluster")
def test_a_killed_worker_loses_nothing(pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After SIGKILL during the run every picture has its result and its outcome, and existing results are not written again."""
    killed = tmp_path / "killed"

    class PausingWorker:
        """Fills the first pictures, and the others only after the kill, so that the kill always comes during the run."""

        def __init__(self, **settings: Any) -> None:
            from gi_plugin.hooks.ray_cluster.folders import Worker  # noqa: PLC0415  # the real one, in the worker's process

            self.worker = Worker(**settings)

        def __call__(self, batch: RayBatch) -> RayBatch:
            while batch["job"][0] >= COUNT // 2 and not killed.exists():
                time.sleep(0.02)
            return self.worker(batch)

    monkeypatch.setattr(ray_folders, "Worker", PausingWorker)
    jobs = pictures.good_jobs(tmp_path / "out")
    run = ray_folders.fill_files(jobs, ONE_THREAD, Options())
    outcomes = [next(run)]
    workers = _children("ray::MapWorker", os.getpid())
    written = {job.output: job.output.stat().st_mtime_ns for job in jobs if job.output.exists()}
    assert 0 < len(written) < len(jobs)
    os.kill(workers[0], signal.SIGKILL)
    killed.touch()
    outcomes += run
    assert sorted(outcome.job.image for outcome in outcomes) == sorted(job.image for job in jobs)
    assert [outcome.error for outcome in outcomes] == [""] * len(jobs)
    assert _files(tmp_path / "out") == pictures.files
    assert {path: path.stat().st_mtime_ns for path in written} == written


@pytest.mark.usefixtures("cluster")
def test_a_picture_that_kills_its_workers_is_given_up(pictures: Pictures, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only this picture fails, with the reason; the other pictures of its task are filled, also with `overwrite`."""
    jobs = pictures.good_jobs(tmp_path)[:10]
    deadly = str(jobs[3].image)

    class MortalWorker:
        def __init__(self, **settings: Any) -> None:
            from gi_plugin.hooks.ray_cluster.folders import Worker  # noqa: PLC0415  # the real one, in the worker's process

            self.worker = Worker(**settings)
            fill = self.worker.fill

            def fill_or_die(batch: RayBatch) -> RayBatch:
                if deadly in batch["image"]:
                    os.kill(os.getpid(), signal.SIGKILL)
                return fill(batch)

            self.worker.fill = fill_or_die  # type: ignore[method-assign]

        def __call__(self, batch: RayBatch) -> RayBatch:
            return self.worker(batch)

    monkeypatch.setattr(ray_folders, "Worker", MortalWorker)
    outcomes = list(ray_folders.fill_files(jobs, ONE_THREAD, Options(), overwrite=True))
    (failed,) = (outcome for outcome in outcomes if outcome.error)
    assert failed.job == jobs[3]
    assert "3 workers died while filling it" in failed.error
    assert [job.output.exists() for job in jobs] == [job != failed.job for job in jobs]
    assert len(outcomes) == len(jobs)


@pytest.mark.usefixtures("cluster")
def test_an_error_that_affects_the_whole_run_is_raised(pictures: Pictures, tmp_path: Path) -> None:
    """If the workers do not find the network file, the run ends with our own error."""
    config = Config(model=ModelSettings(str(tmp_path / "missing.onnx")))
    with pytest.raises(ModelError, match=r"missing\.onnx: there is no such network file"):
        list(ray_folders.fill_files(pictures.good_jobs(tmp_path / "out")[:4], config, Options()))


@pytest.mark.usefixtures("cluster")
def test_rows_of_arrays() -> None:
    """Images of several sizes are filled as by a direct call and keep their other columns; a failed row has the reason in `error`."""
    samples = [picture(seed) for seed in range(4)]
    rows = [{"name": f"{seed}", "image": image[: 60 + seed], "mask": mask[: 60 + seed]} for seed, (image, mask) in enumerate(samples)]
    rows[2]["mask"] = np.ones((62, 80), bool)
    pool = ray.data.ActorPoolStrategy(size=1)
    dataset = ray.data.from_items(rows, override_num_blocks=2).map_batches(
        Inpaint, fn_constructor_kwargs={"config": ONE_THREAD, "dilate": 2}, compute=pool, num_cpus=1
    )
    found = {row["name"]: row for row in dataset.iter_rows()}
    assert found.keys() == {"0", "1", "2", "3"}
    for row in rows:
        result, image = found[str(row["name"])], np.asarray(row["image"])
        failed = row["name"] == "2"
        expected = image if failed else Inpainter(ONE_THREAD)(image, np.asarray(row["mask"]), dilate=2)
        np.testing.assert_array_equal(result["filled"], expected)
        assert ("every pixel as missing" in result["error"]) == failed == bool(result["error"])


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("detail", ["transfer", "network"])
def test_detail_seed_and_sources_reach_the_workers(tmp_path: Path, detail: Detail) -> None:
    """A folder run on the cluster fills as a direct call with the same options, which differs from the default."""
    image, mask = picture()
    names = [tmp_path / name for name in ("image.png", "mask.png", "out.png")]
    for name, pixels in zip(names, (image, mask), strict=False):
        Image.fromarray(pixels).save(name)
    choices: dict[str, Any] = {"detail": detail, "seed": 3, "sources": np.indices(mask.shape)[1] < 40}
    (outcome,) = ray_folders.fill_files([Job(*names)], ONE_THREAD, Options(**choices))
    filled = np.asarray(Image.open(names[2]))
    assert outcome.error == ""
    np.testing.assert_array_equal(filled, Inpainter(ONE_THREAD)(image, mask, **choices))
    assert not np.array_equal(filled, Inpainter(ONE_THREAD)(image, mask))


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(("cpus", "setting", "threads"), [(1, 0, 1), (2, 0, 2), (0.5, 0, 1), (1, 5, 5)])
def test_a_worker_takes_the_cpus_it_was_given(cpus: float, setting: int, threads: int) -> None:
    """The engine has as many threads as Ray gave CPUs to the worker, or as many as the settings say."""

    class ReportsThreads(Inpaint):
        def __call__(self, batch: RayBatch) -> RayBatch:
            return {"threads": [self._inpainter.config.engine.threads] * len(batch["item"])}

    config = Config(engine=EngineSettings(threads=setting))
    pool = ray.data.ActorPoolStrategy(size=1)
    dataset = ray.data.from_items([0]).map_batches(ReportsThreads, fn_constructor_kwargs={"config": config}, compute=pool, num_cpus=cpus)
    assert dataset.take_all() == [{"threads": threads}]


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(("backend", "expected"), [("auto", (2, 0)), ("openvino", (2, 0)), ("torch", (1, 1)), ("tensorrt", (1, 1))])
def test_workers_follow_the_backend(backend: str, expected: tuple[int, int]) -> None:
    """Backends on the CPU get one worker per CPU, backends on GPUs one worker per GPU."""
    assert ray_folders.workers(ray, Config(engine=EngineSettings(backend=backend))) == expected


def test_without_ray_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error message has the pip command."""
    monkeypatch.setitem(sys.modules, "ray.data", None)
    with pytest.raises(MissingDependency, match=r'pip install "gi-plugin\[ray\]"'), ray_folders.connected(None):
        pass


def _process(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "gi_plugin", "inpaint", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_command_on_a_cluster(cluster: str, pictures: Pictures, tmp_path: Path) -> None:
    """`--address` fills a folder on a running cluster: the result files equal those of one process, and the cluster keeps running."""
    process = _process(str(pictures.good / "in"), str(pictures.good / "masks"), "-o", str(tmp_path), "--ray", "--address", cluster)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (0, "")
    assert err.splitlines()[-1].startswith(f"{COUNT} filled, 0 skipped, 0 failed; ")
    assert _files(tmp_path) == pictures.files
    assert ray.cluster_resources()["CPU"] == 2


@pytest.mark.usefixtures("cluster")
def test_the_command_with_a_ray_of_its_own(tmp_path: Path) -> None:
    """After Ctrl-C every existing result is complete, the last line states their number, and no process is left."""
    mixed.make_good(tmp_path / "in", tmp_path / "masks", 60)
    jobs = folders.jobs_of(tmp_path / "in", tmp_path / "masks", tmp_path / "out")
    process = _process(str(tmp_path / "in"), str(tmp_path / "masks"), "-o", str(tmp_path / "out"), "--ray")
    while process.poll() is None and not any(job.output.exists() for job in jobs):
        time.sleep(0.1)
    started = _children("", process.pid)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert (process.returncode, out) == (130, "")
    assert re.fullmatch(r"stopped: \d+ of 60 pictures are filled; the same command continues", err.splitlines()[-1])
    assert "Traceback" not in err
    assert all(mixed.is_filled(job.image, job.output) for job in jobs if job.output.exists())
    assert started
    deadline = time.monotonic() + 60
    while (left := [number for number in started if _is_running(number)]) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert left == []


def _is_running(number: int) -> bool:
    try:
        return Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.usefixtures("cluster")
def test_the_documents_examples_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python examples of docs/ray.md run unchanged and fill the pictures."""
    monkeypatch.chdir(tmp_path)
    mixed.make_good(tmp_path / "photos", tmp_path / "masks", 2, ["rgb"])
    for folder in ("photos", "masks"):
        for number in ("000", "001"):
            shutil.move(f"{folder}/rgb/{number}.png", f"{folder}/{number}.png")
        Path(folder, "rgb").rmdir()
    names: dict[str, Any] = {}
    for example in re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "ray.md").read_text(encoding="utf-8"), re.DOTALL):
        exec(example, names)  # noqa: S102  # our own document
    for number in ("000", "001"):
        expected = gi_plugin.inpaint(np.asarray(Image.open(f"photos/{number}.png")), np.asarray(Image.open(f"masks/{number}.png")))
        assert mixed.is_filled(Path(f"photos/{number}.png"), Path(f"filled/{number}.png"))
        assert any(np.array_equal(row["filled"], expected) for row in names["rows"])
