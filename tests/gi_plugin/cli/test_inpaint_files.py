"""The command `inpaint` and people's files: nothing is overwritten unasked, and doubtful masks and lost contents are mentioned."""

from __future__ import annotations

import json
import os
import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.gi_plugin.command import Cli
from tests.gi_plugin.conftest import SHAPE

HOLE = np.zeros(SHAPE, bool)
HOLE[10:25, 20:40] = True


def _values(name: str) -> np.ndarray:  # type: ignore[type-arg]  # of any type
    return np.asarray(Image.open(name))


def test_a_picture_is_replaced_when_asked(cli: Cli) -> None:
    """With --in-place, the picture is replaced by its result; a link is followed, and the file keeps its permissions."""
    before = _values("picture.png")
    Path("picture.png").chmod(0o640)
    Path("link.png").symlink_to("picture.png")
    assert cli("inpaint", "link.png", "mask.png", "--in-place", "-q") == (0, "", [])
    assert Path("link.png").is_symlink()
    assert Path("picture.png").stat().st_mode & 0o777 == 0o640
    np.testing.assert_array_equal(_values("picture.png")[~HOLE], before[~HOLE])
    assert (_values("picture.png") != before).any()


def test_another_name_of_the_picture_is_the_picture(cli: Cli) -> None:
    """A hard link and a symbolic link to the picture are not overwritten either."""
    os.link("picture.png", "hard.png")
    Path("soft.png").symlink_to("picture.png")
    for name in ("hard.png", "soft.png"):
        result = cli("inpaint", "picture.png", "mask.png", "-o", name)
        assert (result.code, result.lines) == (
            2,
            [f"error: {name} is the picture and would be overwritten: give another name, or replace the picture (--in-place)"],
        )


@pytest.mark.parametrize(
    ("image", "mask", "options", "expected"),
    [
        ("picture.png", "black.png", (), ["black.png: mask marks nothing as missing: the picture stays as it is"]),
        ("picture.png", "swapped.png", (), ["swapped.png: mask marks 88 % of the picture as missing: if black .* use --invert-mask"]),
        ("picture.png", "swapped.png", ("--invert-mask",), []),
        ("picture.png", "mask.png", ("--invert-mask",), ["mask.png: mask marks 88 % .* use no --invert-mask"]),
        ("alpha.png", "picture.png", (), ["picture.png: mask marks .*", "picture.png: mask looks like a picture, .*swapped"]),
        ("picture.png", "erased.png", ("--mask-alpha", "--invert-mask"), []),
        ("picture.png", "erased grey.png", ("--mask-alpha", "--invert-mask"), []),
        ("picture.png", "erased index.png", ("--mask-alpha", "--invert-mask"), []),
        ("picture.png", "erased.png", (), [".*", ".*its alpha channel varies: .* use --mask-alpha, and --invert-mask if"]),
    ],
)
def test_a_doubtful_mask_is_one_line(cli: Cli, image: str, mask: str, options: tuple[str, ...], expected: list[str]) -> None:
    """Each doubt about a mask is one line that names the mask, and the remedy of the command line."""
    Image.new("L", SHAPE[::-1]).save("black.png")
    Image.fromarray(~HOLE).save("swapped.png")
    noise, alpha = _values("alpha.png"), np.where(HOLE, 0, 255).astype(np.uint8)
    Image.fromarray(np.dstack([noise[..., :3], alpha])).save("erased.png")
    Image.fromarray(np.dstack([noise[..., 0], alpha]), "LA").save("erased grey.png")
    index = Image.fromarray(HOLE.astype(np.uint8), "P")
    index.putpalette([9, 9, 9, 8, 8, 8])
    index.save("erased index.png", transparency=1)
    code, _, (*lines, written) = cli("inpaint", image, mask, "-o", "out.png", *options)
    assert (code, len(lines), written[:14]) == (0, len(expected), "wrote out.png:"), lines
    for pattern, line in zip(expected, lines, strict=True):
        assert line.startswith("note: ")
        assert Path(line.split(": ")[1]).name == mask
        assert re.search(f"^note: {pattern}", line), line
    if not expected:
        changed = (_values("out.png") != _values("picture.png")).any(axis=2)
        assert changed[HOLE].any()
        assert not changed[~HOLE].any()


def test_lost_contents_are_one_line(cli: Cli) -> None:
    """What the result does not have of the picture is named in one line; a folder run says each line once."""
    exif = Image.Exif()
    exif[0x8298] = "somebody"
    Image.open("picture.png").save("tagged.jpg", exif=exif, dpi=(300, 300))
    assert cli("inpaint", "tagged.jpg", "mask.png", "-o", "out.tga").lines[:-1] == ["note: out.tga: not kept: Exif, resolution"]
    bands = np.dstack([_values("alpha.png"), _values("alpha.png")[..., :1]])
    tifffile.imwrite("bands.tif", bands, photometric="rgb", extrasamples=["unassalpha", "unspecified"], metadata=None)
    line, _ = cli("inpaint", "bands.tif", "mask.png", "-o", "out.tif").lines
    assert line == "note: out.tif: 1 bands are neither colours nor alpha and keep their values in the hole, too"
    np.testing.assert_array_equal(tifffile.imread("out.tif")[..., 3:], bands[..., 3:])


def test_the_range_of_values_is_told(cli: Cli) -> None:
    """--json tells the range of each picture's values; --data-range sets it; a picture whose 0 is white has it in its own values."""
    thermal = 1000 + _values("alpha.png")[..., 0].astype(np.uint16)
    tifffile.imwrite("thermal.tif", thermal)
    tifffile.imwrite("white.tif", thermal, photometric="miniswhite")
    for name, options in (("thermal.tif", ()), ("white.tif", ()), ("thermal.tif", ("--data-range", "900", "1300"))):
        report = json.loads(cli("inpaint", name, "mask.png", "-o", "out.tif", "--json", *options).out)
        low, high = report["data_range"]["out.tif"]
        assert (low, high) == (900, 1300) or (not options and 1000 <= low < 1020 and 1230 < high <= 1255)
        filled = tifffile.imread("out.tif")
        np.testing.assert_array_equal(filled[~HOLE], thermal[~HOLE])
        assert (filled.min() >= 1000) or options
    assert json.loads(cli("inpaint", "picture.png", "mask.png", "-o", "out.png", "--json").out)["data_range"] == {"out.png": [0, 255]}


def test_masks_beside_their_pictures(cli: Cli) -> None:
    """Pictures and masks may be in one folder: a_mask and a-mask are masks of a, and no pictures."""
    for name, mask in (("a", "a_mask"), ("b", "b-mask")):
        Image.open("picture.png").save(f"folder/{name}.png")
        Image.open("mask.png").save(f"folder/{mask}.png")
    report = json.loads(cli("inpaint", "folder", "folder", "-o", "out", "--json").out)
    assert (report["done"], report["failed"]) == (["out/a.png", "out/b.png"], {})
    np.testing.assert_array_equal(_values("out/a.png")[~HOLE], _values("picture.png")[~HOLE])


def test_masks_of_another_suffix_and_spelling(cli: Cli) -> None:
    """--mask-suffix names masks of another name; names with accents match in both spellings of Unicode."""
    name = "Straße é"
    Path("folder/a.png").unlink()
    Image.open("picture.png").save(f"folder/{unicodedata.normalize('NFD', name)}.png")
    Path("masks").mkdir()
    Image.open("mask.png").save(f"masks/{unicodedata.normalize('NFC', name)} hole.tif")
    assert cli("inpaint", "folder", "masks", "-o", "out", "--mask-suffix", " hole").code == 0
    (line, *_) = cli("inpaint", "folder", "masks", "-o", "other").lines
    assert "in masks; the nearest name is" in line


def test_two_masks_of_one_name_are_an_error(cli: Cli) -> None:
    """A picture with two masks is not filled, and both are named; other pictures are."""
    Image.open("picture.png").save("folder/b.png")
    Path("masks").mkdir()
    for name in ("a.png", "a.tif", "b.png"):
        Image.open("mask.png").save(f"masks/{name}")
    result = cli("inpaint", "folder", "masks", "-o", "out", "--json")
    report = json.loads(result.out)
    assert report["failed"] == {"folder/a.png": "folder/a.png: has 2 masks, masks/a.png and masks/a.tif: keep one of them"}
    assert report["done"] == ["out/b.png"]


def test_pictures_and_masks_without_names_are_an_error(cli: Cli) -> None:
    """One folder with pictures only, given for both, is an error: no picture becomes its own mask."""
    result = cli("inpaint", "folder", "folder", "-o", "out")
    assert result.code == 2
    assert result.lines == [
        (
            "error: folder holds pictures and masks: name the mask of a.png a_mask.png or a-mask.png, "
            "or give --mask-suffix or a folder of masks"
        )
    ]


def test_what_is_no_picture_is_passed_over(cli: Cli) -> None:
    """Documents, films and data are no pictures; pictures of a format that we do not read are named as failed."""
    for name in ("a.pdf", "b.mpg", "c.h5", "d.txt"):
        Path("folder", name).touch()
    Path("folder/e.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    report = json.loads(cli("inpaint", "folder", "mask.png", "-o", "out", "--json").out)
    assert report["done"] == ["out/a.png"]
    assert list(report["failed"]) == ["folder/e.heic"]
