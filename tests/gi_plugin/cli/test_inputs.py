"""The command `inpaint` and what its words name: boxes, several pictures, patterns, transparent pixels, standard input and output."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.gi_plugin.command import Cli
from tests.gi_plugin.conftest import SHAPE


def _values(name: str) -> np.ndarray:  # type: ignore[type-arg]  # of any type
    return np.asarray(Image.open(name))


def _piped(data: bytes, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "gi_plugin", *arguments], input=data, capture_output=True, check=False, timeout=300)


def test_boxes_are_filled(cli: Cli) -> None:
    """--box fills the boxes, also the part of one that lies in the picture, and equals a mask of these boxes."""
    hole = np.zeros(SHAPE, bool)
    hole[3:13, 50:] = hole[20:26, 5:9] = True
    Image.fromarray(hole).save("boxes.png")
    assert cli("inpaint", "picture.png", "boxes.png", "-o", "by mask.png").code == 0
    (line,) = cli("inpaint", "picture.png", "--box", "50,3,99,10", "--box", "5,20,4,6", "-o", "by box.png").lines
    assert line.startswith("wrote by box.png: 2 holes, 124 px, ")
    np.testing.assert_array_equal(_values("by box.png"), _values("by mask.png"))


@pytest.mark.parametrize("paths", [("folder/a.png", "folder/b.png"), ("folder/*.png",)])
def test_several_pictures_go_into_a_folder(cli: Cli, paths: tuple[str, ...]) -> None:
    """Several files, or a pattern that the shell did not expand, are filled into a folder, which is made."""
    Image.open("picture.png").save("folder/b.png")
    report = json.loads(cli("inpaint", *paths, "-m", "mask.png", "-o", "new/out", "--json").out)
    assert (report["done"], report["failed"]) == (["new/out/a.png", "new/out/b.png"], {})
    hole = _values("mask.png") > 0
    np.testing.assert_array_equal(_values("new/out/b.png")[~hole], _values("picture.png")[~hole])


def test_several_pictures_use_the_masks_of_a_folder(cli: Cli) -> None:
    """Masks are matched by name, wherever the pictures are; a picture without a mask is named."""
    Path("masks").mkdir()
    Image.open("mask.png").save("masks/a_mask.png")
    report = json.loads(cli("inpaint", "picture.png", "folder/a.png", "-m", "masks", "-o", "out", "--json").out)
    assert report["done"] == ["out/a.png"]
    assert list(report["failed"]) == ["picture.png"]


def test_a_pattern_that_matches_one_file_writes_into_a_folder(cli: Cli) -> None:
    """The place of the result does not depend on how many files a pattern matches."""
    assert cli("inpaint", "folder/*.png", "mask.png", "-o", "out").code == 0
    assert [path.name for path in Path("out").iterdir()] == ["a.png"]


def test_a_pattern_leaves_out_the_mask(cli: Cli) -> None:
    """A mask beside the pictures is not filled itself, and a pattern that matches nothing else is an error."""
    Path("folder/mask.png").write_bytes(Path("mask.png").read_bytes())
    assert cli("inpaint", "folder/*.png", "--mask", "folder/mask.png", "-o", "out").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png"]
    assert "folder/m*.png: no file matches this pattern" in cli("inpaint", "folder/m*.png", "-m", "folder/mask.png", "-o", "new").lines[-1]


def test_a_file_with_the_name_of_a_pattern_is_that_file(cli: Cli) -> None:
    """Brackets in the name of a file that exists are no pattern."""
    Path("picture.png").rename("a[1].png")
    assert cli("inpaint", "a[1].png", "mask.png", "-o", "out.png").code == 0
    assert Path("out.png").is_file()


def test_a_folder_is_made_for_one_result(cli: Cli) -> None:
    """A place that ends with a slash is a folder; the result has the picture's name."""
    assert cli("inpaint", "photo.jpg", "mask.png", "-o", "new/folder/").code == 0
    assert [path.name for path in Path("new/folder").iterdir()] == ["photo.png"]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_pixels_are_missing_without_a_mask(cli: Cli, mode: str) -> None:
    """Without a mask, what is not opaque is filled, and the result is opaque; a folder of such pictures works as well."""
    hole = _values("mask.png") > 0
    pixels = np.dstack([_values("picture.png"), np.where(hole, 0, 255).astype(np.uint8)])
    Path("erased").mkdir()
    if mode == "P":
        picture = Image.fromarray(np.where(hole, 255, _values("alpha.png")[..., 0] // 2), "P")
        picture.putpalette(np.arange(256).repeat(3).astype(np.uint8).tobytes())
        picture.save("erased/a.png", transparency=255)
    else:
        Image.fromarray(pixels).convert(mode).save("erased/a.png")
    assert cli("inpaint", "erased/a.png", "-o", "out.png").lines[0].startswith("wrote out.png: 1 hole, 300 px, ")
    result, before = (Image.open(name) for name in ("out.png", "erased/a.png"))
    assert result.mode == mode
    assert (np.asarray(result.convert("RGBA"))[..., 3] == 255).all()
    np.testing.assert_array_equal(np.asarray(result.convert("RGB"))[~hole], np.asarray(before.convert("RGB"))[~hole])
    assert cli("inpaint", "erased", "-o", "out").code == 0
    np.testing.assert_array_equal(_values("out/a.png"), _values("out.png"))


@pytest.mark.usefixtures("cli")
@pytest.mark.parametrize(("name", "kind"), [("picture.png", "PNG"), ("photo.jpg", "PNG"), ("picture.webp", "WEBP")])
def test_a_picture_goes_through_pipes(name: str, kind: str) -> None:
    """A picture from standard input goes to standard output in its own format, or PNG if that is lossy, and messages go to stderr."""
    Image.open("picture.png").save("picture.webp", lossless=True)
    done = _piped(Path(name).read_bytes(), "inpaint", "-", "mask.png", "-o", "-")
    assert (done.returncode, done.stderr[:26]) == (0, b"wrote stdout" + {"PNG": b".png: 1 hole, ", "WEBP": b".webp: 1 hole,"}[kind])
    result, hole = Image.open(io.BytesIO(done.stdout)), _values("mask.png") > 0
    assert result.format == kind
    np.testing.assert_array_equal(np.asarray(result)[~hole], _values(name)[~hole])


@pytest.mark.usefixtures("cli")
def test_a_mask_comes_from_standard_input() -> None:
    """The mask may be a stream, too, but not both."""
    done = _piped(Path("mask.png").read_bytes(), "inpaint", "picture.png", "-", "-o", "out.png")
    assert (done.returncode, Path("out.png").is_file()) == (0, True)
    both = _piped(b"", "inpaint", "-", "-", "-o", "other.png")
    assert (both.returncode, len(both.stderr.splitlines())) == (2, 1)


@pytest.mark.usefixtures("cli")
@pytest.mark.parametrize(("data", "text"), [(b"", "-: nothing came from this stream"), (b"text", "stdin: cannot be read as a picture")])
def test_a_stream_without_a_picture_is_one_line(data: bytes, text: str) -> None:
    """The message names the stream, and standard output stays empty."""
    done = _piped(data, "inpaint", "-", "mask.png", "-o", "-")
    assert (done.returncode, done.stdout) == (2, b"")
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith(f"error: {text}")
