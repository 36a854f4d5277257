"""The table of the command `evaluate`."""

from __future__ import annotations

import pytest

from gi_plugin.cli.evaluation import score_table
from gi_plugin.train.evaluation.evaluate import ScoreRow
from gi_plugin.train.evaluation.metrics import Scores

SCORES = Scores(l1=1, l2=2, psnr=3, tv=4, ssim=0.5, hole_psnr=6, texture=7)


@pytest.mark.parametrize(
    ("rows", "counts"),
    [
        ([ScoreRow("ours", "wires", 3, SCORES), ScoreRow("ns", "wires", 3, SCORES)], [["3", "3"]]),
        ([ScoreRow("ours", "wires", 3, SCORES), ScoreRow("ns", "wires", 1, SCORES, failed=2)], [["3", "1"], ["0", "2"]]),
        ([ScoreRow("ns", "wires", 0, None, failed=3)], [["0"], ["3"]]),
    ],
)
def test_failures_have_a_column_only_if_there_are_any(rows: list[ScoreRow], counts: list[list[str]]) -> None:
    """The columns behind the method are the pictures, the failures if a method failed, and the scores, empty without a filled picture."""
    columns = {str(column.header): list(column.cells) for column in score_table(rows).columns}
    assert list(columns)[:3] == ["masks", "method", "pictures"]
    assert [columns[name] for name in ("pictures", "failed") if name in columns] == counts
    assert columns["PSNR in hole"] == ["" if row.scores is None else "6.000" for row in rows]
    assert columns["features"] == [""] * len(rows)
