"""The wheel and the sdist: the wheel contains the product and nothing else, and a host finds the plugin in it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email import message_from_bytes
from email.message import Message
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from build.util import project_wheel_metadata

from building import compiling
from building.targets import target
from gi_plugin.config import Config, parse_config
from tests import product

pytestmark = pytest.mark.slow

GENERATED = (".*", "build", "dist", "out", "runs", "*.egg-info", "__pycache__", "_inner.*")  # not sources
LIBRARY = target().library if compiling.system_compiler() or compiling.zig() else ""  # what a build here puts into the wheel
INFO = f"gi_plugin-{version('gi-plugin')}.dist-info"
MANIFEST = f"gi_plugin-{version('gi-plugin')}.data/data/share/gi-plugin/plugin.toml"
OPTIONAL = {
    "torch",
    "scikit-image",
    "scipy",
    "tensorboard",
    "safetensors",
    "onnxscript",
    "tensorrt",
    "tensorrt-rtx",
    "pycuda",
    "cuda-bindings",
    "triton",
}
HOST = """
import json, sys
from importlib.metadata import distribution
import numpy as np
import pluggy
import gi_plugin
from gi_plugin.hooks import spec
from gi_plugin.hooks.host import load_plugins

plain = pluggy.PluginManager("gi_plugin")
plain.add_hookspecs(spec)
ours = spec.plugin_manager()
found = plain.load_setuptools_entrypoints("gi_plugin"), load_plugins(ours)
plain.check_pending()
image = np.random.default_rng(0).random((24, 32, 3), np.float32)
mask = np.zeros((24, 32), bool)
mask[8:14, 10:20] = True
results = [manager.hook.inpaint(image=image, mask=mask, options={}) for manager in (plain, ours)]
print(json.dumps({
    "files": [module.__file__ for name, module in sys.modules.items() if name.split(".")[0] == "gi_plugin"],
    "metadata": str(distribution("gi-plugin").locate_file("")),
    "found": found,
    "plugins": [[name for name, _ in manager.list_name_plugin()] for manager in (plain, ours)],
    "same": bool(np.array_equal(*results)),
    "known kept": bool(np.array_equal(results[0][~mask], image[~mask])),
    "hole changed": bool((results[0][mask] != image[mask]).all()),
}))
"""
NUMPY = """
import warnings
from gi_plugin.transfer import native

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("default")
    print(native.library(), native.library(), *[one.message for one in caught])
"""


class Built(NamedTuple):
    """A copy of the source tree, and the sdist and wheel built from it."""

    tree: Path
    sdist: Path
    wheel: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Build the sdist, and the wheel from the sdist, so that a file missing in the sdist is missing in the wheel, too."""
    folder = tmp_path_factory.mktemp("build")
    tree, out = folder / "tree", folder / "dist"
    shutil.copytree(product.ROOT, tree, ignore=shutil.ignore_patterns(*GENERATED))
    _build("--outdir", str(out), str(tree), cwd=folder, compiler="auto")
    return Built(tree, *out.glob("*.tar.gz"), *out.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which pip put the wheel, and only the wheel."""
    return _install(built.wheel, tmp_path_factory.mktemp("installed"))


def _build(*arguments: str, cwd: Path, compiler: str) -> None:
    """Build with what is installed: without a C compiler, ours would be asked for, and is not needed."""
    env = {"PIP_NO_INDEX": "1", "GI_PLUGIN_COMPILER": compiler}
    _run("-m", "build", "--no-isolation", "--skip-dependency-check", *arguments, cwd=cwd, env=env)


def _install(wheel: Path, folder: Path) -> Path:
    """Let pip put a wheel, and nothing else, into a folder that exists."""
    _run("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(folder), str(wheel), cwd=folder, env={})
    return folder


def _run(*arguments: str, cwd: Path, env: dict[str, str]) -> str:
    """Run Python and return its stdout; if it fails, the assertion shows stdout and stderr."""
    result = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, **env})
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        return message_from_bytes(archive.read(f"{INFO}/METADATA"))


def test_the_wheel_holds_the_product_and_nothing_else(built: Built) -> None:
    """The wheel contains every file of the four source folders, plugin.toml and the metadata, and nothing else."""
    expected = {
        f"{package.replace('.', '/')}/{path.relative_to(built.tree / folder).as_posix()}"
        for folder, package in product.PACKAGES.items()
        for path in (built.tree / folder).rglob("*")
        if path.is_file() and path.suffix not in {".c", ".h"}
    }
    expected |= {f"gi_plugin/transfer/{LIBRARY}"} if LIBRARY else set()
    assert {"gi_plugin/py.typed", "gi_plugin/models/contextual_attention.onnx", "gi_plugin/hooks/plugin.py"} <= expected
    metadata = {f"{INFO}/{name}" for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "top_level.txt", "licenses/LICENSE")}
    with zipfile.ZipFile(built.wheel) as archive:
        assert set(archive.namelist()) == expected | {MANIFEST} | metadata
        assert archive.read(f"{INFO}/top_level.txt").decode().split() == ["gi_plugin"]
    assert built.wheel.name.endswith("-py3-none-any.whl") != bool(LIBRARY)


@pytest.mark.skipif(not LIBRARY, reason="no C compiler")
def test_the_wheel_is_for_one_platform_and_every_python(built: Built, installed: Path) -> None:
    """The library is called by ctypes, so that no version of Python stands in the tag; the installed one is loaded without a warning."""
    assert re.fullmatch(r"gi_plugin-[\w.]+-py3-none-(linux|macosx|win)_\w+\.whl", built.wheel.name)
    with zipfile.ZipFile(built.wheel) as archive:
        assert "Root-Is-Purelib: false" in archive.read(f"{INFO}/WHEEL").decode()
    printed = _run("-P", "-c", NUMPY, cwd=installed, env={"PYTHONPATH": str(installed), "GI_PLUGIN_NATIVE": ""})
    assert printed.startswith(f"<CDLL '{installed / 'gi_plugin' / 'transfer' / LIBRARY}'")
    assert "no compiled code" not in printed


def test_a_wheel_without_compiled_code_says_so_when_it_runs(built: Built, tmp_path: Path) -> None:
    """Built without a compiler, where an older build left its library, the wheel fits every platform, and one warning tells the cost."""
    _build("--wheel", "--outdir", str(tmp_path / "dist"), str(built.tree), cwd=tmp_path, compiler="none")
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    folder = _install(wheel, tmp_path)
    printed = _run("-P", "-c", NUMPY, cwd=folder, env={"PYTHONPATH": str(folder), "GI_PLUGIN_NATIVE": ""})
    assert printed.startswith("None None no compiled code (")
    assert printed.count("no compiled code") == 1


def test_the_sdist_holds_what_the_tests_need(built: Built) -> None:
    """The sdist contains the settings, tests, documents and the files that `make` reads."""
    with tarfile.open(built.sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    folders = [path for folder in ("tests", "docs") for path in (built.tree / folder).rglob("*") if path.is_file()]
    expected = {path.relative_to(built.tree).as_posix() for path in (*folders, *built.tree.glob("*")) if path.is_file()}
    assert {
        "plugin.toml",
        "Makefile",
        "constraints.txt",
        "LICENSE",
        "README.md",
        "tests/test_wheel.py",
        "tests/hooks/test_plugin.py",
    } <= expected
    assert {"building/backend.py", *(f"gi_plugin/transfer/{name}" for name in compiling.SOURCES)} <= names
    assert expected - names == set()


def test_the_sdist_builds_the_same_wheel(built: Built, tmp_path: Path) -> None:
    """The wheel that is built from the tree, after an older build, has the files of the one from the sdist, byte by byte, and no other."""
    older = built.tree / "build" / "lib" / "gi_plugin" / "gone.py"
    older.parent.mkdir(parents=True, exist_ok=True)
    older.touch()
    _build("--wheel", "--outdir", str(tmp_path), str(built.tree), cwd=tmp_path, compiler="auto")
    (direct,) = tmp_path.glob("*.whl")
    assert direct.name == built.wheel.name
    with zipfile.ZipFile(direct) as first, zipfile.ZipFile(built.wheel) as second:
        assert sorted(first.namelist()) == sorted(second.namelist())
        assert [name for name in first.namelist() if "RECORD" not in name and first.read(name) != second.read(name)] == []


@pytest.mark.parametrize("address", ["", "https://example.org/owner/name"])
def test_links_lead_to_the_repository_once_it_is_known(built: Built, tmp_path: Path, address: str) -> None:
    """With the setting, the metadata links to the repository, and no link of the README is relative; without it, there are no addresses."""
    tree = tmp_path / "tree"
    shutil.copytree(built.tree, tree, ignore=shutil.ignore_patterns(*GENERATED))
    settings = (tree / "pyproject.toml").read_text(encoding="utf-8")
    (tree / "pyproject.toml").write_text(settings.replace('repository = ""', f'repository = "{address}"'), encoding="utf-8")
    metadata = project_wheel_metadata(tree, isolated=False)
    urls, readme = metadata.get_all("Project-URL", []), str(metadata.get_payload())
    relative = re.findall(r"\]\((?!https?://|#)[^)]+\)", readme)
    assert (len(urls), bool(relative)) == ((4, False) if address else (0, True))
    assert all(address in url for url in urls)
    assert readme.count(f"]({address}/blob/HEAD/docs/") > 3 if address else "HEAD" not in readme


def test_the_base_install_is_small(built: Built) -> None:
    """The base install requires no framework, and the extras are those of pyproject.toml."""
    project: dict[str, Any] = tomllib.loads((product.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    metadata = _metadata(built.wheel)
    required = {line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line}
    assert required == set(project["dependencies"])
    assert {product.distribution(line) for line in required} & OPTIONAL == set()
    assert metadata.get_all("Provides-Extra") == list(project["optional-dependencies"])


def test_the_settings_are_installed(built: Built, installed: Path) -> None:
    """The installed plugin.toml equals the repository's, and its values are the defaults."""
    text = (installed / "share/gi-plugin/plugin.toml").read_text(encoding="utf-8")
    assert text == (built.tree / "plugin.toml").read_text(encoding="utf-8")
    assert parse_config(text, "plugin.toml") == Config()


@pytest.mark.parametrize("own_folders_first", [False, True])
def test_a_host_finds_the_plugin_and_calls_it(installed: Path, tmp_path: Path, own_folders_first: bool) -> None:  # a table
    """Discovery by pluggy and by `load_plugins` finds our two plugins, even if the host has folders with the names of ours."""
    host = tmp_path / "host"
    for folder in product.PACKAGES.keys() - {"gi_plugin"}:
        (host / folder).mkdir(parents=True)
        for name in ("__init__", "plugin", "spec", "network"):
            (host / folder / f"{name}.py").write_text("raise RuntimeError('this file is the host\\'s')", encoding="utf-8")
    path = os.pathsep.join(map(str, (host, installed) if own_folders_first else (installed,)))
    cache = {"GI_PLUGIN_CACHE": str(tmp_path / "cache"), "GI_PLUGIN_CONFIG": str(installed / "share/gi-plugin/plugin.toml")}
    report = json.loads(_run("-P", "-c", HOST, cwd=host, env={"PYTHONPATH": path, **cache}))
    assert [file for file in (*report.pop("files"), report.pop("metadata")) if not Path(file).is_relative_to(installed)] == []
    plugins = [["contextual-attention", "specks"]] * 2
    assert report == {"found": [2, []], "plugins": plugins, "same": True, "known kept": True, "hole changed": True}
