"""The command line on good input: files, output and exit codes."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from gi_plugin.cli.inpaint.report import LOSSY
from gi_plugin.config import BACKENDS
from gi_plugin.files.sheet import CAPTION_HEIGHT, GAP
from gi_plugin.photos.demo import CAPTIONS, photo_and_hole
from tests.gi_plugin.command import Cli


def test_a_picture_is_filled(cli: Cli) -> None:
    """The hole changes, known pixels do not, and the attention map shows two pictures of its size."""
    result = cli("inpaint", "picture.png", "mask.png", "-o", "new/out.png", "--attention-map", "new/map.png")
    assert (result.code, result.out) == (0, "")
    assert re.fullmatch(r"wrote new/out.png: 1 hole, 300 px, \d+\.\d s", "\n".join(result.lines))
    before, after, hole = (np.asarray(Image.open(name)) for name in ("picture.png", "new/out.png", "mask.png"))
    np.testing.assert_array_equal(after[hole == 0], before[hole == 0])
    assert (after[hole > 0] != before[hole > 0]).mean() > 0.5
    with Image.open("new/map.png") as drawn:
        assert drawn.width == 2 * 60 + 3 * GAP
        assert drawn.height > 40 + GAP + CAPTION_HEIGHT  # captions of several lines over small pictures


def test_a_lossy_result_prints_a_note(cli: Cli) -> None:
    """Writing a JPEG succeeds and prints a note that known pixels change."""
    result = cli("inpaint", "picture.png", "mask.png", "-o", "out.jpg")
    assert (result.code, [line for line in result.lines if "lossy" in line]) == (0, [LOSSY])


def test_a_folder_of_mixed_pictures(cli: Cli) -> None:
    """Good pictures are filled, bad ones are named, and the exit code is 1."""
    Path("folder/b.jpg").write_bytes(_encoded("JPEG"))
    tifffile.imwrite("folder/c.tif", np.asarray(Image.open("picture.png")) * np.uint16(257), photometric="rgb")
    for name in ("corrupt.png", "text.png"):
        Path(name).rename(f"folder/{name}")
    result = cli("inpaint", "folder", "mask.png", "-o", "out", "--json")
    report = json.loads(result.out)
    assert result.code == 1
    assert report["done"] == ["out/a.png", "out/b.png", "out/c.tif"]
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "b.png", "c.tif"]
    assert list(report["failed"]) == ["folder/corrupt.png", "folder/text.png"]
    assert result.lines == [*(f"failed: {text}" for text in report["failed"].values()), "2 of 5 failed"]
    assert tifffile.imread("out/c.tif").dtype == np.uint16


def test_results_of_one_stem_do_not_overwrite_each_other(cli: Cli) -> None:
    """The pictures a.png and a.jpg, whose result is also a PNG, have two results."""
    Path("folder/a.jpg").write_bytes(_encoded("JPEG"))
    assert cli("inpaint", "folder", "mask.png", "-o", "out").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.jpg.png", "a.png"]


def test_masks_are_matched_by_stem(cli: Cli) -> None:
    """Every picture uses the mask with its name and any suffix; a picture without a mask is named as failed."""
    for name in ("b", "c"):
        Image.open("picture.png").save(f"folder/{name}.png")
    Path("masks").mkdir()
    Image.open("mask.png").save("masks/a.tif")
    Image.open("mask.png").transpose(Image.Transpose.ROTATE_180).save("masks/b.png")
    result = cli("inpaint", "folder", "masks", "-o", "out", "--json")
    expected = "folder/c.png: there is no mask named c.* or c_mask.* or c-mask.* in masks"
    assert (result.code, json.loads(result.out)["failed"]) == (1, {"folder/c.png": expected})
    changed = np.asarray(Image.open("out/b.png")) != np.asarray(Image.open("folder/b.png"))
    np.testing.assert_array_equal(np.asarray(Image.open("masks/b.png"))[changed.any(axis=2)], 255)


def _encoded(kind: str) -> bytes:
    Image.open("picture.png").save("encoded", format=kind)
    return Path("encoded").read_bytes()


def test_the_demo_has_four_panels(cli: Cli) -> None:
    """The demo picture shows input, mask, result and attention map, and the result keeps the known pixels."""
    assert cli("demo", "-o", "demo.png") == (0, "", ["wrote demo.png"])
    photo, hole = photo_and_hole()
    height, width = hole.shape
    sheet = np.asarray(Image.open("demo.png"))
    assert sheet.shape == (height + CAPTION_HEIGHT + GAP, len(CAPTIONS) * (width + GAP) + GAP, 3)
    damaged, mask, result, drawn = (sheet[CAPTION_HEIGHT:][:height, GAP + index * (width + GAP) :][:, :width] for index in range(4))
    np.testing.assert_array_equal(damaged, np.where(hole[..., None], 255, photo))
    np.testing.assert_array_equal(mask == 255, hole[..., None].repeat(3, axis=2))
    np.testing.assert_array_equal(result[~hole], photo[~hole])
    assert (result[hole] != 255).any(axis=1).mean() > 0.9
    assert (np.ptp(drawn[hole], axis=1) > 0).any()
    assert not np.ptp(drawn[~hole], axis=1).any()


def test_doctor_reports_the_installation(cli: Cli, engine_cache: Path) -> None:
    """The JSON holds every finding, and the table shows them without interpreting markup."""
    found: dict[str, Any] = json.loads(cli("doctor", "--json").out)
    assert [record["name"] for record in found["backends"]] == list(BACKENDS)
    assert found["backend chosen by 'auto'"] == "openvino"
    assert found["packages"]["openvino"] != "not installed"
    assert found["cache"]["folder"] == str(engine_cache)
    assert found["cpus"] == len(os.sched_getaffinity(0))
    assert "sha256" in found["network"]
    Path("other.toml").write_text("[model]\npath = '[bold].onnx'\n[engine]\ncache = 'mask.png/cache'\n", encoding="utf-8")
    table = cli("doctor", "--config", "other.toml")
    assert table.code == 0
    assert "[bold].onnx: there is no such" in table.out
    assert "writable: False" in table.out


def test_engines_are_listed_and_cleared(cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Engines in the cache are listed with their properties, and can be cleared."""
    monkeypatch.setenv("GI_PLUGIN_CACHE", str(tmp_path / "own cache"))
    assert json.loads(cli("engines", "list", "--json").out) == []
    cli("inpaint", "picture.png", "mask.png", "-o", "out.png")
    (entry,) = json.loads(cli("engines", "list", "--json").out)
    assert {"key", "size", "created", "network", "backend", "window", "batch"} <= entry.keys()
    assert entry["window"] == "128"
    assert entry["key"][:8] in cli("engines", "list").out
    assert cli("engines", "clear").lines == ["removed 1 engines"]
    assert json.loads(cli("engines", "list", "--json").out) == []


def test_plugins_are_listed(cli: Cli) -> None:
    """The output is JSON and names our plugin with its hooks."""
    found = json.loads(cli("plugins").out)
    assert found.keys() == {"spec_version", "plugins", "backends", "failed"}
    ours = {plugin["name"]: plugin["hooks"] for plugin in found["plugins"] if plugin["package"] == "gi-plugin"}
    assert {"inpaint", "inpaint_backends"} <= set(ours["contextual-attention"])
    assert ours["specks"] == ["make_mask", "plugin_options"]


@pytest.mark.parametrize("command", ["", "engines"])
def test_no_command_prints_the_help(cli: Cli, command: str) -> None:
    """Without a command, the help is printed on stdout and the exit code is 2."""
    result = cli(*command.split())
    assert (result.code, result.lines) == (2, [])
    assert "Usage: " in result.out


def test_a_mask_is_read_from_its_alpha_channel_when_asked(cli: Cli) -> None:
    """With --mask-alpha, the hole is where the mask is opaque, and its colours are ignored."""
    hole = np.asarray(Image.open("mask.png")) > 0
    mask = np.full((*hole.shape, 4), 255, np.uint8)
    mask[..., 3] = 255 * hole
    Image.fromarray(mask).save("drawn.png")
    assert cli("inpaint", "picture.png", "drawn.png", "-o", "out.png", "--mask-alpha").code == 0
    known = [np.asarray(Image.open(name))[~hole] for name in ("picture.png", "out.png")]
    np.testing.assert_array_equal(*known)
