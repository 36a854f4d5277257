"""Five packages of third parties, installed beside the wheel, act in the command line, the web page and a host of another project."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.hooks.pictures import picture
from tests.product import ROOT
from tests.test_wheel import GENERATED

pytestmark = pytest.mark.slow
PACKAGES = Path(__file__).parent / "packages"
MARKED, WATCHED, PLAIN = 3, 7, 191  # levels that the finishing step, the wrapper and the engine write
OTHER_HOST = """
import sys
import numpy as np
import pluggy
from PIL import Image
from gi_plugin.hooks.host import checked_inpaint, load_plugins
from gi_plugin.hooks.spec import add_specs

manager = pluggy.PluginManager("darkroom")
add_specs(manager, "darkroom")
failures = load_plugins(manager)
assert not failures, failures
image, mask = (np.asarray(Image.open(name)) for name in ("photo.png", "mask.png"))
Image.fromarray(checked_inpaint(manager, image, mask, {"marked": {"level": 3}})).save("out.png")
"""
SERVER = """
from pathlib import Path
import httpx
from gi_plugin.config import load_config
from gi_plugin.hooks.web.server import served

with served(load_config(), "127.0.0.1", 0) as address, open("photo.png", "rb") as photo, open("mask.png", "rb") as mask:
    answer = httpx.post(f"{address}inpaint", files={"image": photo, "mask": mask}, timeout=100)
Path("out.png").write_bytes(answer.raise_for_status().content)
"""
WAYS = {
    "command line": ("-m", "gi_plugin", "inpaint", "photo.png", "mask.png", "-o", "out.png", "-q"),
    "command line, mask of a plugin": ("-m", "gi_plugin", "inpaint", "photo.png", "--mask-from", "white", "-o", "out.png", "-q"),
    "web page and HTTP API": ("-c", SERVER),
    "host of another project": ("-c", OTHER_HOST),
}


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with our wheel and the five packages, as pip installs them."""
    folder = tmp_path_factory.mktemp("packages")
    shutil.copytree(ROOT, folder / "gi-plugin", ignore=shutil.ignore_patterns(*GENERATED))
    shutil.copytree(PACKAGES, folder, dirs_exist_ok=True)
    shutil.copytree(ROOT / "examples" / "plugin", folder / "example")
    sources = [str(path.parent) for path in sorted(folder.glob("*/pyproject.toml"))]
    options = ("--quiet", "--no-deps", "--no-index", "--no-build-isolation", "--target", str(folder / "installed"))
    env = {**os.environ, "GI_PLUGIN_COMPILER": "none"}
    subprocess.run([sys.executable, "-m", "pip", "install", *options, *sources], check=True, capture_output=True, env=env)
    return folder / "installed"


@pytest.fixture
def run(installed: Path, tmp_path: Path, engine_cache: str) -> Any:
    """A function that runs Python in a folder with a photo whose hole is white, and its mask; only the installed packages are found."""
    image, mask = picture()
    Image.fromarray(image).save(tmp_path / "photo.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    (tmp_path / "plugin.toml").write_text("[engine]\nbackend = 'plain'\n[hook]\ndetail = 'network'\n", encoding="utf-8")
    named = "mean-engine,white,marked,greeting,watching"  # the template's wrapper adds noise
    variables = {
        "GI_PLUGIN_PLUGINS": named,
        "PYTHONPATH": str(installed),
        "GI_PLUGIN_CACHE": engine_cache,
        "GI_PLUGIN_CONFIG": str(tmp_path / "plugin.toml"),
    }

    def run(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command, env = [sys.executable, "-P", *arguments], {**os.environ, **variables, **more}
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path, env=env)

    return run


@pytest.mark.parametrize("way", WAYS)
def test_every_way_asks_the_plugins(run: Any, tmp_path: Path, way: str) -> None:
    """The engine, the wrapper and the finishing step act on the hole, and known pixels stay."""
    done = run(*WAYS[way])
    assert (done.returncode, done.stderr) == (0, "")
    image, mask = picture()
    filled = np.asarray(Image.open(tmp_path / "out.png"))
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    assert {tuple(pixel) for pixel in filled[mask].tolist()} == {(MARKED, WATCHED, PLAIN)}


@pytest.mark.parametrize(("arguments", "variables"), [(("--no-plugins",), {}), ((), {"GI_PLUGIN_PLUGINS": ""})], ids=["option", "variable"])
def test_plugins_can_be_left_out(run: Any, tmp_path: Path, arguments: tuple[str, ...], variables: dict[str, str]) -> None:
    """With `--no-plugins` or an empty GI_PLUGIN_PLUGINS, the backend of a third party is unknown, and our own fills alone."""
    command = ("-m", "gi_plugin", "inpaint", "photo.png", "mask.png", "-o", "out.png", *arguments)
    done = run(*command, **variables)
    assert done.returncode == 2
    assert "unknown backend 'plain'" in done.stderr
    assert run(*command, "--backend", "openvino", **variables).returncode == 0
    assert MARKED not in np.asarray(Image.open(tmp_path / "out.png"))[picture()[1]][:, 0]


def test_some_plugins_can_be_loaded(run: Any, tmp_path: Path) -> None:
    """GI_PLUGIN_PLUGINS names the plugins to load; a name that is not there is an error that lists the names."""
    command = ("-m", "gi_plugin", "inpaint", "photo.png", "mask.png", "-o", "out.png")
    assert run(*command, GI_PLUGIN_PLUGINS="mean-engine, watching").returncode == 0
    filled = np.asarray(Image.open(tmp_path / "out.png"))[picture()[1]]
    assert {tuple(pixel) for pixel in filled.tolist()} == {(PLAIN, WATCHED, PLAIN)}
    wrong = run(*command, GI_PLUGIN_PLUGINS="watchin")
    assert wrong.returncode == 2
    assert "there is no plugin 'watchin': installed are contextual-attention, example, greeting, marked, mean-engine" in wrong.stderr


def test_the_template_passes_its_own_test(run: Any) -> None:
    """The template installs, and its test passes beside the wheel."""
    done = run("-m", "pytest", "-q", "-p", "no:cacheprovider", str(ROOT / "examples" / "plugin" / "test_gi_example.py"))
    assert done.returncode == 0, done.stdout


def test_the_command_and_the_engine_are_known(run: Any) -> None:
    """The command of a third party runs, `doctor` knows the backend, and `plugins` lists all packages, none of them broken."""
    assert run("-m", "gi_plugin", "greet", "Ada").stdout == "hello Ada\n"
    found = json.loads(run("-m", "gi_plugin", "doctor", "--json").stdout)
    assert {"name": "plain", "available": True, "reason": "numpy is there"} in found["backends"]
    everything = "mean-engine,white,marked,greeting,watching,example"
    listing = json.loads(run("-m", "gi_plugin", "plugins", "--check", GI_PLUGIN_PLUGINS=everything).stdout)
    assert {entry["package"] for entry in listing["plugins"]} == {
        "gi-plugin", "gi-engine", "gi-mask", "gi-finish", "gi-command", "gi-wrapper", "gi-example"
    }  # fmt: skip
    assert listing["failed"] == []
