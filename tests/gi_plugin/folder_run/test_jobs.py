"""The jobs of a folder run: pictures, masks, result files, and results that are up to date."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from PIL import Image

from gi_plugin.errors import ImageError
from gi_plugin.folder_run.jobs import ABANDONED, Job, is_finished, jobs_of, remove_abandoned


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _pictures(*names: str) -> None:
    for name in names:
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 3)).save(path)


def _jobs(image: str, mask: str, output: str) -> list[tuple[str, str | None, str]]:
    return [
        (str(job.image), str(job.mask) if job.mask else None, str(job.output)) for job in jobs_of(Path(image), Path(mask), Path(output))
    ]


def test_the_tree_is_kept() -> None:
    """Sub-folders are searched; results and masks are in sub-folders of the same names, and masks may have any suffix."""
    _pictures(
        "in/b.png", "in/x/a.jpg", "in/x/y/a.png", "in/x/y/none.png", "masks/b.tif", "masks/x/a.png", "masks/x/y/a.bmp", "masks/none.png"
    )
    assert _jobs("in", "masks", "out") == [
        ("in/b.png", "masks/b.tif", "out/b.png"),
        ("in/x/a.jpg", "masks/x/a.png", "out/x/a.png"),
        ("in/x/y/a.png", "masks/x/y/a.bmp", "out/x/y/a.png"),
        ("in/x/y/none.png", None, "out/x/y/none.png"),
    ]


def test_results_of_one_name_are_told_apart_per_folder() -> None:
    """The result of a.jpg is a.jpg.png if the same folder holds a.png, else a.png."""
    _pictures("in/a.jpg", "in/a.png", "in/x/a.jpg", "mask.png")
    assert [output for _, _, output in _jobs("in", "mask.png", "out")] == ["out/a.jpg.png", "out/a.png", "out/x/a.png"]


def test_hidden_files_links_and_other_files_are_skipped() -> None:
    """Hidden files and folders, links to folders, other files, and folders named like pictures are skipped."""
    _pictures("in/a.png", "in/.b.png", "in/.hidden/c.png", "elsewhere/d.png", "mask.png")
    Path("in/notes.txt").touch()
    Path("in/folder.png").mkdir()
    Path("in/link").symlink_to(Path("elsewhere").resolve())
    Path("in/e.png").symlink_to(Path("elsewhere/d.png").resolve())
    assert [image for image, _, _ in _jobs("in", "mask.png", "out")] == ["in/a.png", "in/e.png"]


def test_masks_and_results_may_stand_among_the_pictures() -> None:
    """Folders of masks and results inside the folder of pictures are not searched."""
    _pictures("a.png", "x/a.png", "masks/a.png", "masks/x/a.png", "out/a.png")
    assert _jobs(".", "masks", "out") == [("a.png", "masks/a.png", "out/a.png"), ("x/a.png", "masks/x/a.png", "out/x/a.png")]


@pytest.mark.parametrize(("output", "content"), [("in", "pictures"), ("./masks", "masks")])
def test_results_do_not_overwrite_pictures_or_masks(output: str, content: str) -> None:
    """The folder of the pictures and the folder of the masks are rejected as folders of the results."""
    _pictures("in/a.png", "masks/a.png")
    with pytest.raises(ImageError, match=f"holds the {content}, results would overwrite them"):
        _jobs("in", "masks", output)


@pytest.mark.parametrize(
    ("image", "mask", "output", "finished"),
    [
        (1, 2, 3, True),
        (2, 2, 2, True),
        (3, 1, 2, False),
        (1, 3, 2, False),
        (1, 2, None, False),
        (1, None, 3, False),
        (None, 1, 3, False),
    ],
)
def test_a_result_is_finished_if_nothing_is_newer(
    image: int | None, mask: int | None, output: int | None, finished: bool
) -> None:  # a table
    """A result is finished if it is no older than its picture and its mask, and both exist."""
    for name, stamp in {"image.png": image, "mask.png": mask, "output.png": output}.items():
        if stamp is not None:
            Path(name).touch()
            os.utime(name, (stamp, stamp))
    assert is_finished(Job(Path("image.png"), Path("mask.png"), Path("output.png"))) is finished


def test_a_folder_is_no_result() -> None:
    """A job is not finished if its result is a folder, or if it has no mask."""
    _pictures("image.png", "mask.png", "output.png")
    Path("folder.png").mkdir()
    assert not is_finished(Job(Path("image.png"), Path("mask.png"), Path("folder.png")))
    assert not is_finished(Job(Path("image.png"), None, Path("output.png")))


def test_abandoned_files_are_removed() -> None:
    """Old temporary files are removed; recent ones, which may still be written, and all other files stay."""
    _pictures("out/.part-old.png", "out/.part-new.png", "out/.other.png", "out/a.png")
    long_ago = time.time() - ABANDONED - 1
    for name in (".part-old.png", ".other.png", "a.png"):
        os.utime(f"out/{name}", (long_ago, long_ago))
    remove_abandoned([Job(Path("a.png"), Path("mask.png"), Path("out/a.png")), Job(Path("b.png"), None, Path("new/b.png"))])
    assert sorted(path.name for path in Path("out").iterdir()) == [".other.png", ".part-new.png", "a.png"]
