"""Folder runs through the command line: many mixed and broken pictures, and runs that are stopped or killed and started again."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gi_plugin.atomic import PARTIAL
from gi_plugin.config import CONFIG_VARIABLE
from tests.gi_plugin import windows
from tests.gi_plugin.command import Cli
from tests.gi_plugin.folder_run import mixed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
GOOD, STOPPED = 180, 24  # pictures
RUN = ("inpaint", "in", "masks", "-o")


@pytest.fixture
def quick(cli: Cli, small_network_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cli]:
    """Return the command line with a small network and small windows, so that hundreds of pictures take seconds."""
    settings = tmp_path / "small.toml"
    settings.write_text(f"[model]\npath = '{small_network_file}'\n", encoding="utf-8")
    monkeypatch.setenv(CONFIG_VARIABLE, str(settings))
    with windows.small_windows():
        yield cli


class Files(NamedTuple):
    """The results in a folder: their content and the times at which they were written."""

    content: dict[str, bytes]
    written: dict[str, int]


def _results(folder: str) -> Files:
    paths = [path for path in Path(folder).rglob("*") if path.is_file() and not path.name.startswith(PARTIAL)]
    names = [path.relative_to(folder).as_posix() for path in paths]
    return Files(
        {name: path.read_bytes() for name, path in zip(names, paths, strict=True)},
        {name: path.stat().st_mtime_ns for name, path in zip(names, paths, strict=True)},
    )


def _start(folder: str, count: int, *program: str) -> subprocess.Popen[str]:
    """Start a run in a new process, and wait until it has written `count` pictures."""
    process = subprocess.Popen([sys.executable, *program, *RUN, folder], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and sum(path.is_file() for path in Path(folder).rglob("[!.]*.*")) < count:
        time.sleep(0.01)
    assert process.poll() is None, process.communicate()
    return process


def test_two_hundred_mixed_pictures(quick: Cli) -> None:
    """180 pictures are filled, all others named as failed; after a kill half-way, the same command fills only the remaining pictures."""
    made = mixed.make_good(Path("in"), Path("masks"), GOOD)
    broken = mixed.make_broken(Path("in"), Path("masks"))
    whole = quick(*RUN, "whole", "--json")
    report = json.loads(whole.out)
    undisturbed = _results("whole")
    assert (whole.code, len(report["done"]), report["skipped"]) == (1, GOOD, [])
    assert undisturbed.content.keys() == made.keys()
    assert [name for name, source in made.items() if not mixed.is_filled(Path("in", source), Path("whole", name))] == []
    assert report["failed"].keys() == {f"in/{name}" for name in broken}
    assert [name for name, reason in broken.items() if not re.search(reason, report["failed"][f"in/{name}"])] == []
    assert whole.lines == [*(f"failed: {text}" for text in report["failed"].values()), f"{len(broken)} of {GOOD + len(broken)} failed"]

    process = _start("out", GOOD // 2, "-c", windows.COMMAND)
    process.kill()
    process.communicate()
    before = _results("out")
    assert len(before.content) < GOOD
    assert before.content.items() <= undisturbed.content.items()
    again = quick(*RUN, "out", "--json")
    report = json.loads(again.out)
    after = _results("out")
    assert (again.code, after.content) == (1, undisturbed.content)
    assert {Path(name).relative_to("out").as_posix() for name in report["skipped"]} == before.content.keys()
    assert {Path(name).relative_to("out").as_posix() for name in report["done"]} == made.keys() - before.content.keys()
    assert before.written.items() <= after.written.items()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_stops_when_asked(cli: Cli, number: signal.Signals) -> None:
    """Ctrl-C and `kill` end a run between two pictures, with whole files and a summary, and the same command continues the run."""
    made = mixed.make_good(Path("in"), Path("masks"), STOPPED, ["rgb", "deep"])
    process = _start("out", 3, "-m", "gi_plugin")
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    before = _results("out")
    assert 3 <= len(before.content) < len(made)
    assert (process.returncode, out) == (128 + number, "")
    notice = "stopping after this picture; once more to stop at once"
    assert err.split("\n") == [
        "",
        notice,
        f"stopped: {len(before.content)} of {STOPPED} pictures are filled; the same command continues",
        "",
    ]
    assert not list(Path("out").rglob(f"{PARTIAL}*"))
    again = cli(*RUN, "out")
    after = _results("out")
    assert (again.code, after.content.keys()) == (0, made.keys())
    assert again.lines[-1].startswith(f"{STOPPED - len(before.content)} filled, {len(before.content)} skipped, 0 failed; ")
    assert before.written.items() <= after.written.items()


def test_what_changed_is_made_again(quick: Cli) -> None:
    """A newer mask makes its result again, --overwrite makes all results again, and a further run skips all pictures."""
    mixed.make_good(Path("in"), Path("masks"), 4, ["rgb"])
    first = _results("out") if quick(*RUN, "out").code == 0 else None
    Path("masks/rgb/002.png").touch()
    assert json.loads(quick(*RUN, "out", "--json").out)["done"] == ["out/rgb/002.png"]
    report = json.loads(quick(*RUN, "out", "--overwrite", "--json").out)
    assert (len(report["done"]), report["skipped"]) == (4, [])
    last = quick(*RUN, "out")
    assert last.code == 0
    expected = r"0 filled, 4 skipped, 0 failed; \d\.\d s; skipped results are up to date, --overwrite makes them again"
    assert re.fullmatch(expected, "\n".join(last.lines))
    assert first is not None
    assert first.content == _results("out").content
