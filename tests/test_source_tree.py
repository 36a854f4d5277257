"""Tests of the package laid out for an interpreter in which it is not installed."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from building.source_tree import NEEDED, ROOT, lay_out, missing


def test_the_laid_out_package_runs_without_installation(tmp_path: Path) -> None:
    """With only the folder on its path, Python imports the package, its parts and its version from there."""
    lay_out(tmp_path / "source")
    code = (
        "import sys; sys.meta_path[:] = [finder for finder in sys.meta_path if 'editable' not in str(finder)]\n"
        "import gi_plugin, gi_plugin.train.run_state, gi_plugin.engines.cache, gi_plugin.hooks.spec\n"
        "print(gi_plugin.__file__, gi_plugin.train.__file__, gi_plugin.__version__)"
    )
    environment = {"PYTHONPATH": str(tmp_path / "source")}
    done = subprocess.run([sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path)
    package, train, version = done.stdout.split()
    assert Path(package) == tmp_path / "source" / "gi_plugin" / "__init__.py"
    assert Path(train) == tmp_path / "source" / "gi_plugin" / "train" / "__init__.py"
    assert version[0].isdigit()


def test_gpu_train_runs_the_checkout_by_an_interpreter_without_the_package(tmp_path: Path) -> None:
    """`make gpu-train` finds the laid-out package, not the folder `gi_plugin` of the checkout: the error is about the data."""
    venv.create(tmp_path / "bare", with_pip=False)
    (packages,) = (tmp_path / "bare").glob("lib/python*/site-packages")
    (packages / "packages.pth").write_text(sysconfig.get_path("purelib"))  # without the finder of the editable installation
    command = ["make", "gpu-train", "DATA=missing.tar", "TRY=--cpu", f"PYTHON={tmp_path / 'bare' / 'bin' / 'python'}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "error: missing.tar" in done.stderr


def test_missing_packages_are_named() -> None:
    """Modules that are not there are named by their packages; the packages of training are all here."""
    assert missing({"numpy": "numpy", "no_such_module": "no-such-package"}) == ["no-such-package"]
    assert missing(NEEDED) == []
