"""The command line on bad input: one line on stderr, exit code 2, no partial file."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gi_plugin.command import Cli, process

ODD_NAME = f"[bold]:smile:{'long ' * 20}.png"  # rich would read it as markup, and it is longer than a line of the terminal
BAD = {
    "no such picture": ("inpaint missing.png mask.png -o out.png", "missing.png: there is no such file"),
    "no such mask": ("inpaint picture.png missing.png -o out.png", "missing.png: there is no such file"),
    "a corrupt picture": ("inpaint corrupt.png mask.png -o out.png", "corrupt.png: cannot be read as a picture"),
    "text as a picture": ("inpaint text.png mask.png -o out.png", "text.png: cannot be read as a picture: unknown format"),
    "text as a mask": ("inpaint picture.png text.png -o out.png", "text.png: cannot be read as a picture"),
    "a mask of another size": ("inpaint picture.png small.png -o out.png", "mask has shape (20, 30), the image is 40 x 60"),
    "everything missing": ("inpaint picture.png all.png -o out.png", "picture.png with all.png: mask marks every pixel as missing"),
    "everything missing once dilated": ("inpaint picture.png mask.png -o out.png --dilate 60", "covers the whole image once it is dilated"),
    "alpha of a mask without": ("inpaint picture.png mask.png -o out.png --mask-alpha", "its alpha channel was asked for"),
    "an output inside a file": ("inpaint picture.png mask.png -o mask.png/out.png", "mask.png/out.png: cannot be written: "),
    "an output nobody can write": ("inpaint picture.png mask.png -o /proc/out.png", "/proc/out.png: cannot be written: "),
    "an unknown output format": ("inpaint picture.png mask.png -o out.xyz", "out.xyz: cannot write files ending in '.xyz'; use .png"),
    "a format without alpha": ("inpaint alpha.png mask.png -o out.jpg", "out.jpg: cannot hold RGBA pixels without loss; use .png or .tif"),
    "an unknown map format": ("inpaint picture.png mask.png -o out.png --attention-map map", "map: the file name has no suffix"),
    "an unknown backend": (
        "inpaint picture.png mask.png -o out.png --backend abacus",
        "unknown backend 'abacus': expected 'auto' or one",
    ),
    "a backend that is not there": ("inpaint picture.png mask.png -o out.png --backend tensorrt", "no engine can be used: tensorrt: "),
    "broken settings": ("inpaint picture.png mask.png -o out.png --config broken.toml", "broken.toml: not valid TOML"),
    "unknown settings": (
        "inpaint picture.png mask.png -o out.png --config unknown.toml",
        "colour = 'red': unknown key; known keys: backend",
    ),
    "no settings": ("doctor --config missing.toml", "missing.toml: cannot be read: No such file or directory"),
    "a damaged network": ("inpaint picture.png mask.png -o out.png --config model.toml", "damaged.onnx: not a readable ONNX model"),
    "a damaged network for a folder": ("inpaint folder mask.png -o out --config model.toml", "damaged.onnx: not a readable ONNX model"),
    "a map of a folder": ("inpaint folder mask.png -o out --attention-map map.png", "--attention-map works on one picture"),
    "many masks for a picture": ("inpaint picture.png folder -o out.png", "folder is a folder, picture.png is not"),
    "an empty folder": ("inpaint empty mask.png -o out", "empty: there is no picture in this folder"),
    "no such mask for a folder": ("inpaint folder missing -o out", "missing: there is no such file"),
    "a file for the results of a folder": ("inpaint folder mask.png -o mask.png", "mask.png is a file: expected a folder"),
    "the picture as result": ("inpaint picture.png mask.png -o picture.png", "picture.png is the picture and would be overwritten"),
    "the picture in its folder": ("inpaint picture.png mask.png -o .", "picture.png is the picture and would be overwritten"),
    "the picture by another name": ("inpaint picture.png mask.png -o folder/../picture.png", "is the picture and would be overwritten"),
    "the mask as result": ("inpaint picture.png mask.png -o mask.png", "mask.png is the mask and would be overwritten: give another name"),
    "the result as map": ("inpaint picture.png mask.png -o out.png --attention-map out.png", "out.png is the result and would be"),
    "the picture as map": ("inpaint picture.png mask.png -o out.png --attention-map picture.png", "picture.png is the input picture and"),
    "a lossy picture in its place": (
        "inpaint photo.jpg mask.png --in-place",
        "--in-place would change known pixels: write photo.png instead",
    ),
    "a folder in its place": ("inpaint folder mask.png --in-place", "--in-place works on one picture, folder is a folder"),
    "two places": ("inpaint picture.png mask.png -o out.png --in-place", "leave --output out"),
    "no place": ("inpaint picture.png mask.png", "there is no place for the result: give --output, or --in-place"),
    "a range in the wrong order": (
        "inpaint picture.png mask.png -o out.png --data-range 9 1",
        "--data-range 9 1: expected (lowest, highest)",
    ),
    "a faint mask": ("inpaint picture.png faint.png -o out.png", "faint.png: mask marks nothing as missing: its largest value is 99"),
    "all missing but by alpha": ("inpaint picture.png drawn.png -o out.png", "if that is the mask, use --mask-alpha)"),
    "an unknown option": ("inpaint picture.png mask.png -o out.png --bogus", "No such option: --bogus"),
    "a missing argument": ("inpaint", "Missing argument 'PICTURE... [MASK]'"),
    "no mask, and nothing is transparent": ("inpaint picture.png -o out.png", "picture.png: there is no mask, and the picture has no"),
    "picture and mask swapped": ("inpaint mask.png picture.png -o out.png", "give the picture first, then its mask"),
    "a result without its option": ("inpaint picture.png mask.png out.png", "3 paths: expected a picture, its mask and --output RESULT"),
    "no mask": ("inpaint picture.png -o out.png", "no transparent pixels: give a mask file, or --box x,y,width,height"),
    "two kinds of masks": ("inpaint picture.png --mask mask.png --box 1,2,3,4 -o out.png", "--mask and --box: expected one of them"),
    "a box of three numbers": ("inpaint picture.png --box 1,2,3 -o out.png", "--box 1,2,3: expected x,y,width,height in pixels"),
    "a box without width": ("inpaint picture.png --box 1,2,0,3 -o out.png", "--box 1,2,0,3: expected x,y,width,height in pixels"),
    "a box beside the picture": ("inpaint picture.png --box 60,2,9,9 -o out.png", "a box from (60, 2) lies outside the picture"),
    "a box of everything": ("inpaint picture.png --box 0,0,60,40 -o out.png", "mask marks every pixel as missing"),
    "a box to invert": ("inpaint picture.png --box 1,2,3,4 --invert-mask -o out.png", "--invert-mask say how a mask file is read"),
    "boxes on a cluster": ("inpaint folder --box 1,2,3,4 --ray -o out", "--ray needs mask files"),
    "a misspelt folder": ("inpaint fodler mask.png -o out", "fodler: there is no such file or folder; did you mean folder?"),
    "an unknown folder": ("inpaint nowhere/a.png mask.png -o out", "nowhere/a.png: there is no such file or folder, nor a folder nowhere"),
    "a pattern without a match": ("inpaint *.xyz mask.png -o out", "*.xyz: no file matches this pattern"),
    "a file for several results": ("inpaint picture.png alpha.png -m mask.png -o out.png", "out.png is no folder: expected one for the"),
    "a folder among pictures": ("inpaint picture.png folder -m mask.png -o out", "folder is a folder: expected picture files, or one"),
    "two results of one name": ("inpaint picture.png folder/../picture.png -m mask.png -o out", "would both become out/picture.png"),
    "several pictures in their place": ("inpaint picture.png alpha.png -m mask.png --in-place", "2 pictures were given"),
    "several pictures into a stream": ("inpaint picture.png alpha.png -m mask.png -o -", "--output - writes one picture"),
    "several results in place of pictures": ("inpaint picture.png alpha.png -m mask.png -o .", "picture.png is the picture and would be"),
    "two things on standard output": ("inpaint picture.png mask.png -o - --json", "--json and --output - both write to standard output"),
    "quiet and verbose": ("inpaint picture.png mask.png -o out.png -q -v", "--quiet and --verbose contradict each other"),
    "too large a margin": ("inpaint picture.png mask.png -o out.png --dilate 65", "--dilate 65: expected 0 to 64"),
    "a misspelt option": (
        "inpaint picture.png mask.png -o out.png --dilat 3",
        "No such option: --dilat (Possible options: --detail, --dil",
    ),
    "a path in place of the command": ("picture.png mask.png -o out.png", "expected a command first, for example gi-plugin inpaint pict"),
    "a picture as its own mask": ("inpaint picture.png picture.png -o out.png", "picture.png was given as the picture and as its mask"),
    "an option without its value": ("inpaint picture.png mask.png -o", "requires an argument. (see: gi-plugin inpaint --help)"),
    "a misspelt command": ("inpant", "No such command 'inpant'. Did you mean 'inpaint'?"),
    "settings that exist": ("config init --config broken.toml", "broken.toml exists already: edit it, or name another file with --config"),
    "no settings to show": ("config show --config missing.toml", "missing.toml: cannot be read"),
    "a bench of an unknown backend": ("bench --backend abacus --window 128", "unknown backend 'abacus': expected one of"),
    "an unknown plugin": (
        "inpaint picture.png mask.png -o out.png --plugin abacus",
        "'abacus' with the hook inpaint: expected one of",
    ),
    "an unknown mask source": ("inpaint picture.png -o out.png --mask-from abacus", "expected one of specks"),
    "a wrong value": ("inpaint picture.png mask.png -o out.png --dilate few", "Invalid value for '--dilate'"),
    "an unknown command": ("paint", "No such command 'paint'"),
    "a window the network cannot take": ("bench --window 100", "window 100: expected a multiple of 8, 72 or more"),
    "a plot of windows alone": ("bench --plot plot.png", "--plot needs times of whole pictures: also give --pictures"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_mistake_is_one_line_and_code_2(cli: Cli, case: str) -> None:
    """A user's mistake prints one line on stderr, and no file is written or changed."""
    command, text = BAD[case]
    before = {path: path.stat().st_mtime_ns for path in Path().rglob("*")}
    result = cli(*command.split())
    assert (result.code, result.out, len(result.lines)) == (2, "", 1)
    assert result.lines[0].startswith("error: ")
    assert text in result.lines[0]
    assert {path: path.stat().st_mtime_ns for path in Path().rglob("*")} == before


def test_a_message_is_neither_wrapped_nor_interpreted(cli: Cli) -> None:
    """A long file name that looks like markup is printed unchanged."""
    assert cli("inpaint", ODD_NAME, "mask.png", "-o", "out.png").lines == [f"error: {ODD_NAME}: there is no such file or folder"]


@pytest.mark.usefixtures("cli")
def test_a_process_ends_with_code_2_and_no_traceback() -> None:
    """A mistake also prints one line in a new process, without a traceback."""
    ended = process("inpaint", "corrupt.png", "mask.png", "-o", "out.png")
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1)
    assert ended.stderr.startswith("error: corrupt.png: cannot be read as a picture")


@pytest.mark.usefixtures("cli")
def test_a_corrupt_cache_entry_costs_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged engine prints one warning and is compiled again, and the picture is the same."""
    monkeypatch.setenv("GI_PLUGIN_CACHE", str(tmp_path / "own cache"))
    outputs = []
    for attempt, lines in enumerate([0, 1, 0]):
        ended = process("inpaint", "picture.png", "mask.png", "-o", "out.png", "-q")
        assert (ended.returncode, len(ended.stderr.splitlines())) == (0, lines)
        assert ended.stderr.startswith("WARNING: cached engine not used, it is compiled again: " if lines else "")
        outputs.append(Path("out.png").read_bytes())
        if attempt == 0:
            (engine,) = (tmp_path / "own cache").rglob("engine.bin")
            engine.write_bytes(engine.read_bytes()[:-1] + b"?")
    assert outputs[0] == outputs[1] == outputs[2]
