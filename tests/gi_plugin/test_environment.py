"""Poor surroundings: a user without a home folder, and little address space."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

NOBODY = """
import pwd, runpy, sys
def nobody(*_): raise KeyError("uid not found")
pwd.getpwuid = nobody
sys.argv = ["gi-plugin", *sys.argv[1:]]
runpy.run_module("gi_plugin", run_name="__main__")
"""  # the command as a user whom the system does not know
CRASHES = (-signal.SIGABRT, -signal.SIGSEGV, 127)  # of OpenVINO and of the C library: docs/reliability.md, "Not covered"
HOMES = ("HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "GI_PLUGIN_CACHE", "GI_PLUGIN_CONFIG")


@pytest.fixture
def fill(tmp_path: Path) -> list[str]:
    """Write a picture and a mask, and return the arguments that fill it."""
    mask = np.zeros((64, 64), np.uint8)
    mask[20:30, 20:30] = 255
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(tmp_path / "picture.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return ["inpaint", "-q", str(tmp_path / "picture.png"), str(tmp_path / "mask.png"), "-o", str(tmp_path / "out.png")]


def test_no_home_folder_is_one_warning(fill: list[str]) -> None:
    """A user without a home folder gets the defaults, no cache and one warning; with a named cache folder, no warning."""
    environment = {key: value for key, value in os.environ.items() if key not in HOMES}
    command = [sys.executable, "-c", NOBODY, *fill]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "WARNING: the engine cache cannot be used (this user has no home folder: set HOME, or GI_PLUGIN_CACHE to a folder"
    )
    named = {**environment, "GI_PLUGIN_CACHE": str(Path(fill[-1]).parent / "cache")}
    assert not subprocess.run(command, capture_output=True, text=True, check=True, env=named).stderr
    report = subprocess.run([*command[:3], "doctor"], capture_output=True, text=True, check=True, env=environment).stdout
    assert report.count("this user has no home folder") == 2


@pytest.mark.parametrize("limit", [430_000, 480_000, 510_000, 660_000])
def test_little_address_space_is_one_line(fill: list[str], tmp_path: Path, limit: int) -> None:
    """With too little address space, the picture is filled, or one line says what to do; or a library that we use ends the process."""
    done = subprocess.run(
        [sys.executable, "-m", "gi_plugin", *fill],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GI_PLUGIN_CACHE": str(tmp_path / "cache")},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (1024 * limit, 1024 * limit)),  # no threads here
    )
    lines = done.stderr.splitlines()
    if done.returncode not in CRASHES:
        assert (done.returncode, len(lines)) in ((0, 0), (2, 1)), lines
        assert all("not enough memory" in line for line in lines), lines
