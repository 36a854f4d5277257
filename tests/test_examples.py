"""The examples run as their first lines describe, each in its own process and folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gi_plugin
from gi_plugin.hooks.inference_server.repository import export
from gi_plugin.network_file import network_path
from tests.hooks.inference_server import triton_stand_in
from tests.hooks.pictures import picture
from tests.product import ROOT

pytestmark = pytest.mark.slow
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def engine_cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("engines"))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, engine_cache: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Change into a folder with a photo and its mask, isolated from the user's settings and engines."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GI_PLUGIN_CACHE", engine_cache)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    image, mask = picture()
    Image.fromarray(image).save("photo.png")
    Image.fromarray(mask).save("mask.png")


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, env=dict(os.environ))


def _check_filled(file: str) -> None:
    image, mask = picture()
    filled = np.asarray(Image.open(file))
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    assert not (filled[mask] == image[mask]).all(axis=1).any()


def test_every_example_has_a_test() -> None:
    """A new file in examples/ must be added here with its test."""
    assert {path.stem for path in EXAMPLES.glob("*")} == {
        "host", "batch_pipeline", "skimage_dropin", "triton_client", "own_project", "async_service", "frame_pipe", "dask_chunks", "plugin"
    }  # fmt: skip


def test_the_examples_of_hosts_md_run() -> None:
    """The first example equals examples/host.py, the test of the example plugin passes, and the blocked plugin is not loaded."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8"), re.DOTALL)
    host, blocking, plugin = blocks
    assert (EXAMPLES / "host.py").read_text(encoding="utf-8").partition("\n\n")[2] == host
    names: dict[str, Any] = {}
    exec(plugin, names)  # noqa: S102  # our own document
    names["test_mean_fill_keeps_the_contract"]()
    exec(blocking, names)  # noqa: S102  # as above
    assert not names["manager"].has_plugin("contextual-attention")
    with pytest.raises(LookupError, match="no plugin answered"):
        names["host"].run(*picture())


def test_the_host_has_nine_lines_and_fills_a_photo() -> None:
    """The example fills a photo and has nine lines, without docstring and empty lines, as docs/hosts.md states."""
    done = _run("host", "photo.png", "mask.png", "out.png")
    assert (done.returncode, done.stderr) == (0, "")
    _check_filled("out.png")
    lines = [line for line in (EXAMPLES / "host.py").read_text(encoding="utf-8").splitlines() if line]
    assert len(lines[1:]) == 9


def test_the_pipeline_fills_a_folder_and_reports_failures() -> None:
    """Of eight photos, one has no mask and one a mask of another size: six results, two messages, exit code 1."""
    for name in ("photos", "masks"):
        Path(name).mkdir()
    image, mask = picture()
    for number in range(8):
        Image.fromarray(image).save(f"photos/{number}.png")
        Image.fromarray(mask[: 30 if number == 4 else None]).save(f"masks/{number}.png")
    Path("masks/2.png").unlink()
    done = _run("batch_pipeline", "photos", "masks", "out")
    assert done.returncode == 1
    assert sorted(path.name for path in Path("out").iterdir()) == ["0.png", "1.png", "3.png", "5.png", "6.png", "7.png"]
    for path in Path("out").iterdir():
        np.testing.assert_array_equal(np.asarray(Image.open(path)), gi_plugin.inpaint(image, mask, dilate=1))
    without, wrong = done.stderr.splitlines()
    assert without.startswith("2.png: ")
    assert wrong.startswith("4.png: mask has shape (30, 80)")


@pytest.mark.parametrize("example", ["host", "async_service", "dask_chunks"])
def test_a_host_fills_a_photo(example: str) -> None:
    """The result is that of `gi_plugin.inpaint`; the service also ends the request that has too little time."""
    done = _run(example, "photo.png", "mask.png", "out.png")
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(np.asarray(Image.open("out.png")), gi_plugin.inpaint(*picture()))
    assert done.stdout == ("first request: TimeoutError\n" if example == "async_service" else "")


def test_a_program_with_its_own_project_has_the_plugins() -> None:
    """The program's own hook runs beside ours, with options of our plugin."""
    done = _run("own_project", "photo.png", "mask.png", "out.png")
    assert (done.returncode, done.stdout, done.stderr) == (0, "80 x 64 pixels\n", "")
    np.testing.assert_array_equal(np.asarray(Image.open("out.png")), gi_plugin.inpaint(*picture(), dilate=1))


def test_frames_go_through_pipes() -> None:
    """Raw frames come out as `inpaint_sequence` returns them."""
    image, mask = picture()
    frames = [np.roll(image, 2 * number, axis=1) for number in range(4)]
    command = [sys.executable, str(EXAMPLES / "frame_pipe.py"), "80", "64", "mask.png"]
    done = subprocess.run(command, input=b"".join(frame.tobytes() for frame in frames), capture_output=True, check=True, timeout=120)
    found = np.frombuffer(done.stdout, np.uint8).reshape(4, 64, 80, 3)
    np.testing.assert_array_equal(found, list(gi_plugin.inpaint_sequence(frames, mask)))


def test_both_functions_take_the_same_call() -> None:
    """Each function is the better one where docs/python.md says so: theirs on gradients, ours on holes in structures."""
    done = _run("skimage_dropin")
    assert (done.returncode, done.stderr) == (0, "")
    found = re.findall(r"(.+): (\w+): error +([\d.]+), contrast +(\d+)%, +\d+ ms", done.stdout)
    errors = {(title, function): float(error) for title, function, error, _ in found}
    contrasts = {(title, function): int(contrast) / 100 for title, function, _, contrast in found}
    scenes = list(dict.fromkeys(title for title, _ in errors))
    assert len(scenes) == 6
    for title in scenes:
        theirs, ours = errors[title, "inpaint_biharmonic"], errors[title, "inpaint"]
        assert theirs < ours if "gradient" in title else ours < (theirs if "scratches" in title else 0.8 * theirs)
        if "gradient" not in title and "scratches" not in title:
            assert contrasts[title, "inpaint_biharmonic"] < 0.6 < contrasts[title, "inpaint"]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a stand-in server for Triton that serves an exported repository by gRPC."""
    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", None)  # type: ignore[arg-type]  # restored afterwards
    export(tmp_path / "models", network_path(""))
    listener, address = triton_stand_in.listen(triton_stand_in.Server(tmp_path / "models"))
    yield address
    listener.stop(None).wait()


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_the_triton_client_fills_a_photo(server: str, mode: str) -> None:
    """The real gRPC client gets the filled photo from the stand-in server, in the mode of the input."""
    image, mask = picture()
    Image.fromarray(image).convert(mode).save("photo.png")
    done = _run("triton_client", "photo.png", "mask.png", "out.png", server)
    assert (done.returncode, done.stderr) == (0, "")
    known, filled = Image.open("photo.png"), Image.open("out.png")
    assert filled.mode == mode
    np.testing.assert_array_equal(np.asarray(filled)[~mask], np.asarray(known)[~mask])
    assert (np.asarray(filled)[mask] != np.asarray(known)[mask]).any()


def test_the_triton_client_asks_for_another_result(server: str) -> None:
    """Another seed gives another fill of the same hole."""
    for name, seed in (("first.png", "0"), ("again.png", "0"), ("other.png", "1")):
        assert _run("triton_client", "photo.png", "mask.png", name, server, seed).returncode == 0
    first, again, other = (np.asarray(Image.open(name)) for name in ("first.png", "again.png", "other.png"))
    np.testing.assert_array_equal(again, first)
    assert not np.array_equal(other, first)


def test_the_triton_client_shows_the_servers_error(server: str) -> None:
    """The served model refuses a mask of another size, and the client ends with its message."""
    Image.new("L", (5, 5)).save("mask.png")
    done = _run("triton_client", "photo.png", "mask.png", "out.png", server)
    assert done.returncode == 1
    assert "mask has shape (5, 5), the image is 64 x 80" in done.stderr
