"""What the command line says about its work: one line on success, more or less if asked, and a line now and then."""

from __future__ import annotations

import json
import re
import warnings

import pytest

from gi_plugin.cli import terminal
from tests.gi_plugin.command import Cli

NUMBER = r"\d+\.\d+"
COMMAND = ("inpaint", "picture.png", "mask.png", "-o", "out.png")


def test_quiet_prints_nothing(cli: Cli) -> None:
    """-q leaves out the line of success, the notes and the summary of a folder, but not failures."""
    assert cli(*COMMAND, "-q") == (0, "", [])
    assert cli("inpaint", "picture.png", "mask.png", "-o", "out.jpg", "-q") == (0, "", [])
    assert cli("inpaint", "folder", "mask.png", "-o", "out", "-q") == (0, "", [])
    assert cli("inpaint", "folder", "small.png", "-o", "other", "-q").lines[-1] == "1 of 1 failed"


@pytest.mark.parametrize("picture", ["picture.png", "folder"])
def test_verbose_tells_engine_windows_and_times(cli: Cli, picture: str) -> None:
    """-v adds a line per picture and one with the engines."""
    lines = cli("inpaint", picture, "mask.png", "-o", "result.png" if picture.endswith("png") else "out", "-v").lines
    times = rf"read in {NUMBER} s, filled in {NUMBER} s, written in {NUMBER} s"
    assert re.fullmatch(rf"[\w/.]+: 1 hole, 300 px, 1 windows? of \d+ px; {times}", lines[0])
    assert re.fullmatch(r"engines: openvino \w+, \d+ px", lines[1])
    assert len(lines) == 3


def test_a_warning_of_python_is_one_line(cli: Cli, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning, such as that there is no compiled code, is shown without a line of the source."""
    assert cli("--version").code == 0
    warnings.showwarning(RuntimeWarning("first\nsecond"), RuntimeWarning, __file__, 1)
    assert capsys.readouterr().err == "warning: first second\n"


def test_json_has_the_work_and_its_time(cli: Cli) -> None:
    """The steps of a picture take some time, and no longer than the whole."""
    report = json.loads(cli(*COMMAND, "--json").out)
    work = report["work"]["out.png"]
    assert (work["holes"], work["pixels"], len(work["windows"])) == (1, 300, 1)
    assert min(work["read"], work["fill"], work["write"]) > 0
    assert work["read"] + work["fill"] + work["write"] <= report["seconds"] + 0.001


def test_long_work_prints_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no progress bar can be drawn, a line is printed if the last one is long enough ago; not at all if that is unwanted."""
    for every, quiet, expected in ((0, False, 3), (3600, False, 0), (0, True, 0)):
        monkeypatch.setattr(terminal, "EVERY", every)
        assert list(terminal.tracked("abc", 3, quiet=quiet)) == ["a", "b", "c"]
        lines = capsys.readouterr().err.splitlines()
        assert [line.partition(",")[0] for line in lines] == [f"{number} of 3 pictures" for number in range(1, expected + 1)]
        with terminal.Spinner("start", quiet=quiet) as show_text:
            show_text("changed")
        assert capsys.readouterr().err.splitlines() == ["changed"] * (expected > 0)


def test_one_picture_tells_the_share_that_is_done(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where lines are printed, the last one about a picture says that all of it is filled."""
    monkeypatch.setattr(terminal, "EVERY", 0)
    lines = cli("inpaint", "picture.png", "--box", "2,2,12,12", "--box", "40,20,14,14", "-o", "out.png").lines
    shares = [float(line.removeprefix("filling picture.png: ").rstrip("%")) for line in lines[:-1]]
    assert shares == sorted(shares)
    assert shares[-1] == 100


def test_work_that_is_always_long_says_so_at_once(cli: Cli) -> None:
    """`bench` prints its first line before it measures, and measures one backend if asked."""
    result = cli("bench", "--window", "128", "--runs", "1", "--backend", "openvino", "--json")
    assert result.lines[0] == "128 px, opening engines"
    assert {row["backend"].split()[0] for row in json.loads(result.out)["windows"]} == {"openvino"}
