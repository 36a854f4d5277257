"""The commands of those who train, from nothing to a filled picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gi_plugin import network_file
from tests.gi_plugin.command import Cli
from tests.train.pictures import smooth_pictures

SMALL = [
    "width=8",
    "crop=96",
    "batch=2",
    "hole_smallest=20",
    "hole_largest=40",
    "workers=0",
    "critic_steps=1",
    "validation=2",
    "validate_every=2",
]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six smooth random pictures, large enough to be evaluated on."""
    return smooth_pictures(tmp_path / "pictures", 6, (260, 256))


@pytest.mark.slow
def test_train_resume_export_inpaint_evaluate(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    """A network is trained, trained further, exported, used and scored, by commands alone."""
    train = ["train", "--data", str(pictures), "-o", str(tmp_path / "run"), *(word for text in SMALL for word in ("--set", text))]
    for steps in ("2", "4"):
        assert cli(*train, "--steps", steps).code == 0
    exported = tmp_path / "mine.onnx"
    assert cli("export", str(tmp_path / "run" / "best.safetensors"), "-o", str(exported), "--note", "licence=CC0-1.0").code == 0
    notes = network_file.metadata(network_file.load(exported))
    assert notes["licence"] == "CC0-1.0"
    assert " steps of 2 pictures, " in notes["training"]
    config = tmp_path / "mine.toml"
    config.write_text(f'[model]\npath = "{exported}"\n', encoding="utf-8")
    mask = np.zeros((256, 260), np.uint8)
    mask[100:140, 100:150] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    filled = tmp_path / "filled.png"
    assert cli("inpaint", str(pictures / "0.png"), str(tmp_path / "mask.png"), "-o", str(filled), "--config", str(config)).code == 0
    with Image.open(filled) as result, Image.open(pictures / "0.png") as source:
        assert np.array_equal(np.asarray(result)[mask == 0], np.asarray(source)[mask == 0])
    folder = ["-o", str(tmp_path / "scores"), "--config", str(config), "--limit", "1", "--sheets"]
    scores = cli("evaluate", "--data", str(pictures), "--masks", "center", "--baselines", "telea", "--json", *folder)
    rows = json.loads(scores.out)
    assert [(row["masks"], row["pictures"]) for row in rows] == [("center", 1)] * 3  # transfer, network, the baseline
    assert all(0 < row["psnr"] < 100 for row in rows)
    assert (tmp_path / "scores" / "center.png").is_file()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["train", "--data", "nowhere"], "no budget"),
        (["train", "--data", "nowhere", "--steps", "1", "--set", "speed=9"], "unknown key 'speed'"),
        (["train", "--data", "nowhere", "--steps", "1", "--set", "batch=many"], "expected int"),
        (["train", "--data", "nowhere", "--steps", "1", "--set", "batch=0"], "expected 1 to 1024"),
        (["train", "--data", "nowhere", "--steps", "1", "--set", "flip"], "expected key=value"),
        (["export", "nowhere.safetensors", "-o", "x.onnx"], "no such checkpoint"),
        (["evaluate", "--data", "nowhere", "--baselines", "magic"], "unknown baseline 'magic'"),
    ],
)
def test_mistakes_are_one_line(cli: Cli, words: list[str], text: str, tmp_path: Path) -> None:
    """Wrong settings and missing files give one line and exit code 2."""
    code, _, lines = cli(*words, *(["-o", str(tmp_path / "run")] if words[0] == "train" else []))
    assert code == 2
    assert len(lines) == 1
    assert text in lines[0]
