"""The documents: links work, examples run, and figures equal the committed results."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gi_plugin
from gi_plugin.arrays import Array
from gi_plugin.bench.tables import filled
from tests import product
from tests.gi_plugin.files.test_odd_files import REFUSED, RIGHT
from tests.product import ROOT

DOCUMENTS = sorted(path for pattern in ("*.md", "docs/*.md", "gi_plugin/models/*.md") for path in ROOT.glob(pattern))
RESULTS = ROOT / "docs" / "results"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_work(document: Path) -> None:
    """Every relative link in a document leads to a file of the repository."""
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)\)", document.read_text(encoding="utf-8"))
    assert [target for target in targets if not (document.parent / target).exists()] == []


def test_contributing_lists_every_module() -> None:
    """The table in CONTRIBUTING.md names the modules of every source folder, as they are on disk."""
    rows = re.findall(r"^\| `([\w/]+)/` \| .+ \| ([\w, ]*) \|$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.MULTILINE)
    listed = {folder: set(names.split(", ")) - {""} for folder, names in rows}
    found: dict[str, set[str]] = {}
    for path in product.files().values():
        found.setdefault(path.parent.relative_to(ROOT).as_posix(), set()).update({path.stem} - {"__init__"})
    assert listed == found


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Array, Array]:
    """Return a picture and its mask, which are photo.png and mask.png in the current folder; in the hole, the file is white."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GI_PLUGIN_CACHE", str(tmp_path / "cache"))
    picture = np.linspace(0, 250, 50).astype(np.uint8)[None, :, None].repeat(40, axis=0).repeat(3, axis=2)
    mask = np.zeros((40, 50), np.uint8)
    mask[10:20, 10:30] = 255
    Image.fromarray(np.where(mask[..., None] > 0, np.uint8(255), picture)).save("photo.png")
    Image.fromarray(mask).save("mask.png")
    return picture, mask


def _names_after(document: str) -> dict[str, Any]:
    """Run the Python examples of a document, one after the other, and return the names that they define."""
    names: dict[str, Any] = {}
    for example in re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(encoding="utf-8"), re.DOTALL):
        exec(example, names)  # noqa: S102  # our own documents
    return names


def test_the_readmes_python_examples_run(photo: tuple[Array, Array]) -> None:
    """The Python examples of the README run and fill a picture."""
    picture, mask = photo
    names = _names_after("README.md")
    filled = np.asarray(Image.open("filled.png"))
    np.testing.assert_array_equal(filled[mask == 0], picture[mask == 0])
    np.testing.assert_array_equal(filled, names["filled"])


def test_the_one_liners_of_python_md_run(photo: tuple[Array, Array]) -> None:
    """Each line fills the hole of its kind of data, and keeps the rest."""
    picture, mask = photo
    names = _names_after("docs/python.md")
    for pixels in (names["filled"], np.asarray(names["picture"]), names["array"]):
        np.testing.assert_array_equal(pixels[mask == 0], picture[mask == 0])
        assert (pixels[mask > 0] != 255).any()
    hole = names["missing"].data
    pairs = [(names["pictures"].numpy().transpose(0, 2, 3, 1), names["batch"].numpy().transpose(0, 2, 3, 1))]
    pairs += [
        (names["series"].data, names[name].data if name == "filled_series" else names[name].compute())
        for name in ("filled_series", "filled_stack")
    ]
    for before, after in pairs:
        np.testing.assert_array_equal(after[:, ~hole], before[:, ~hole])
        assert (after[:, hole] != before[:, hole]).all(axis=-1).mean() > 0.9


def test_the_public_names_are_listed() -> None:
    """`dir(gi_plugin)` has the public names, and no others but those with underscores."""
    assert [name for name in dir(gi_plugin) if not name.startswith("__")] == gi_plugin.__all__


@pytest.mark.parametrize("document", ["README.md", "docs/performance.md"])
def test_speeds_are_those_of_the_committed_run(document: str) -> None:
    """The tables equal those that `gi-plugin bench --table docs/results/bench-cpu.json --into DOCUMENT` writes."""
    text = (ROOT / document).read_text(encoding="utf-8")
    assert filled(text, json.loads((RESULTS / "bench-cpu.json").read_text(encoding="utf-8"))) == text


@pytest.mark.parametrize("results", ["evaluation.json", "evaluation-int8.json"])
def test_the_model_cards_figures_are_those_of_the_committed_run(results: str) -> None:
    """The model card contains every row of the evaluation results."""
    card = (ROOT / "gi_plugin" / "models" / "README.md").read_text(encoding="utf-8")
    for row in json.loads((RESULTS / results).read_text(encoding="utf-8")):
        figures = " | ".join(f"{row[key]:.2f}" for key in ("l1", "l2", "psnr", "tv", "hole_psnr", "texture"))
        assert f"| {row['masks']} | {row['method']} | {figures} | {row['ssim']:.3f} |" in card


def test_every_fault_has_its_test() -> None:
    """Every row of the table of faults in docs/reliability.md names a test, and each named test exists."""
    text, _, odd = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8").partition("## Odd files")
    assert f"{len(RIGHT) + len(REFUSED)} files: {len(RIGHT)} right, {len(REFUSED)} refused." in odd
    rows = [row for row in text.splitlines() if row.startswith("| ") and not row.startswith(("| fault", "| **"))]
    named = {row: re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row) for row in rows}
    assert [row for row, tests in named.items() if not tests] == []
    pairs = [pair for tests in named.values() for pair in tests]
    assert [test for file, test in pairs if f"def {test}(" not in (ROOT / file).read_text(encoding="utf-8")] == []
