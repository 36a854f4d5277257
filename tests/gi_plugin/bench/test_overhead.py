"""What a call costs beside the network."""

from __future__ import annotations

import json

import pytest

from gi_plugin.bench import overhead
from tests.gi_plugin.command import Cli


def test_the_command_lists_every_picture(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """There is a row per size and dtype, each with its time and the ratio to a copy, and one for the first call of a process."""
    monkeypatch.setenv("GI_PLUGIN_CACHE", str(tmp_path_factory.getbasetemp() / "engines"))
    monkeypatch.setattr(overhead, "SHAPES", ((256, 256, 3), (300, 400, 3)))
    *rows, first = json.loads(cli("bench", "--overhead", "--runs", "1", "--json").out)
    assert [(row["picture"], row["dtype"]) for row in rows] == [
        (size, dtype) for size in ("256 x 256", "400 x 300") for dtype in ("uint8", "float32")
    ]
    assert all(row["milliseconds"] > 0 and row["times_copy"] > 0 for row in rows)
    assert first["milliseconds"] > max(row["milliseconds"] for row in rows)
    assert "first call" in cli("bench", "--overhead", "--runs", "1").out


def test_the_cost_of_a_float_picture_does_not_grow_much_faster_than_a_copy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A large float picture with a small hole costs a few copies of itself (it was more than 30 times that once)."""
    monkeypatch.setattr(overhead, "SHAPES", ((3000, 4000, 3),))
    monkeypatch.setattr(overhead, "DTYPES", ("float32",))
    row, _ = overhead.measure(5, lambda _: None)
    assert row.times_copy < 10
