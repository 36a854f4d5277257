"""Contact sheets."""

from __future__ import annotations

import numpy as np
import pytest

from gi_plugin.files.sheet import GAP, sheet


@pytest.mark.parametrize(
    "caption", ["short", "a caption of many words, far wider than one picture", "Donaudampfschifffahrtsgesellschaft I"]
)
def test_a_caption_stays_above_its_picture(caption: str) -> None:
    """Between two columns there is nothing but white, unless a single word is wider than a picture; pictures are whole."""
    panels = [np.full((80, 120, 3), value, np.uint8) for value in (10, 20)]
    drawn = sheet([panels], [caption, ""])
    np.testing.assert_array_equal(drawn[-80 - GAP : -GAP, GAP : GAP + 120], panels[0])
    np.testing.assert_array_equal(drawn[-80 - GAP : -GAP, 2 * GAP + 120 : -GAP], panels[1])
    above = drawn[: -80 - GAP]
    assert (above[:, : GAP + 120] < 128).any()
    assert (above[:, GAP + 120 :] < 128).any() == ("Donau" in caption)


def test_the_longest_caption_makes_room() -> None:
    """All pictures of a row begin at the same height, below the caption of the most lines."""
    panels = [np.zeros((10, 100, 3), np.uint8)] * 2
    assert len(sheet([panels], ["one two three four five six seven", "x"])) > len(sheet([panels], ["one", "x"]))
