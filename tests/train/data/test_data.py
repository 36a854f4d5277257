"""Tests of pictures, crops and holes for training: they depend on the seed alone, and broken files are skipped."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from skimage.measure import label

from gi_plugin.config import TrainSettings
from gi_plugin.errors import ConfigError
from gi_plugin.train.data import bank, masks, resident, shapes
from gi_plugin.train.data.bank import MaskBank
from gi_plugin.train.data.pictures import Batch, Samples, batches, drawn_side, find_pictures
from gi_plugin.train.data.resident import ResidentPictures
from gi_plugin.train.data.schedule import at_sample
from gi_plugin.train.data.stream import open_stream
from tests.train.operations import waits_of

CPU = torch.device("cpu")
SETTINGS = TrainSettings(crop=96, batch=4, hole_smallest=20, hole_largest=40, free_form=0.5, workers=0)


def _picture(seed: int, size: tuple[int, int] = (120, 100)) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Folders of pictures as in ImageNet or Places2, with one broken picture, one small picture and one text file."""
    for folder in ("a", "b/c"):
        (tmp_path / folder).mkdir(parents=True)
        for seed in range(3):
            (tmp_path / folder / f"{seed}.png").write_bytes(_picture(seed))
    (tmp_path / "a" / "broken.jpg").write_bytes(_picture(9)[:500])
    (tmp_path / "b" / "small.png").write_bytes(_picture(10, (40, 40)))
    (tmp_path / "readme.txt").write_text("not a picture", encoding="utf-8")
    return tmp_path


def test_a_folder_tree_a_list_and_a_shard_hold_the_same_pictures(tree: Path) -> None:
    """All three kinds of data give the same bytes for every picture."""
    expected = [source.read() for source in find_pictures(tree)]
    paths = sorted(path for path in tree.rglob("*") if path.suffix in (".png", ".jpg"))
    listing = tree / "list.txt"
    listing.write_text("".join(f"{path.relative_to(tree)}\n" for path in paths), encoding="utf-8")
    shard = tree / "shard.tar"
    with tarfile.open(shard, "w") as archive:
        for path in paths:
            archive.add(path, arcname=path.relative_to(tree))
    assert len(expected) == 8
    assert [source.read() for source in find_pictures(listing)] == expected
    assert [source.read() for source in find_pictures(shard)] == expected
    assert len(find_pictures(tree)) == 16  # a shard in the tree counts as its members


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "expected a folder"),
        ("missing.png\n", r"missing\.png does not exist \(missing: 1 of 1 lines\)"),
        ("\n", "contains no picture"),
        ("A text, " * 1000, r"^.{,400}expected a list file"),
    ],
)
def test_unusable_data_is_an_error(tmp_path: Path, content: str | None, text: str) -> None:
    """A wrong path, a list that names a missing file, an empty list and a text of another kind raise ConfigError of one short line."""
    path = tmp_path / "list.txt"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError, match=text):
        find_pictures(path)


def _equal(first: Batch, second: Batch) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def test_batches_depend_only_on_seed_and_position(tree: Path) -> None:
    """A worker process does not change the batches, another seed does, and a resumed stream continues where it stopped."""
    sources = find_pictures(tree)
    stream = batches(sources, SETTINGS, 0)
    first, second, third = next(stream), next(stream), next(stream)
    parallel = batches(sources, replace(SETTINGS, workers=1), 0)
    assert _equal(first, next(parallel))
    assert _equal(second, next(parallel))
    assert _equal(third, next(batches(sources, SETTINGS, 2 * SETTINGS.batch)))
    assert not _equal(first, second)
    assert not _equal(first, next(batches(sources, replace(SETTINGS, seed=1), 0)))


def test_processes_share_a_batch(tree: Path) -> None:
    """Each of two processes of a distributed run draws one half of the batch of a single process."""
    sources = find_pictures(tree)
    whole = next(batches(sources, SETTINGS, 8))
    halves = [next(batches(sources, SETTINGS, 8, rank, 2)) for rank in (0, 1)]
    assert torch.equal(whole.image, torch.cat([half.image for half in halves]))


def test_broken_and_small_pictures_are_skipped_and_counted(tree: Path) -> None:
    """Every sample has a whole crop in [-1, 1]; broken and small pictures are counted."""
    samples = Samples(find_pictures(tree), SETTINGS, 0, 60)
    drawn = [samples[index] for index in range(60)]
    assert {tuple(sample.image.shape) for sample in drawn} == {(3, 96, 96)}
    assert all(sample.image.abs().max() <= 1 for sample in drawn)
    assert sum(int(sample.skipped) for sample in drawn) > 0


def test_data_without_a_usable_picture_is_an_error(tmp_path: Path) -> None:
    """If all pictures are broken, a sample raises ConfigError instead of searching forever."""
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match="in a row are broken"):
        Samples(find_pictures(tmp_path), SETTINGS, 0, 1)[0]


@pytest.mark.parametrize("free_form", [0.0, 1.0])
def test_holes_of_the_training_mix(tree: Path, free_form: float) -> None:
    """The sides of rectangles have 20 to 40 px as set; strokes cover more than nothing and at most half of the crop."""
    samples = Samples(find_pictures(tree), replace(SETTINGS, free_form=free_form), 0, 40)
    for index in range(40):
        mask = samples[index].mask[0]
        assert 0 < mask.mean() <= 0.5
        if not free_form:
            rows, columns = int(mask.any(dim=1).sum()), int(mask.any(dim=0).sum())
            assert mask.sum() == rows * columns
            assert 20 <= min(rows, columns) <= max(rows, columns) <= 40


def test_distance_to_the_nearest_known_pixel() -> None:
    """The distances equal a search over all known pixels, for a hole of two parts."""
    mask = masks.center(24, 8) | masks.rectangle(np.random.default_rng(0), 24, 3, 5)
    known = np.argwhere(~mask)
    expected = [[0.0 if not mask[y, x] else np.sqrt(((known - (y, x)) ** 2).sum(axis=1)).min() for x in range(24)] for y in range(24)]
    np.testing.assert_allclose(masks.distance_to_known(mask), expected, rtol=1e-6)


@pytest.fixture
def small_bank(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw fewer masks."""
    monkeypatch.setattr(bank, "SIZE", 12)
    monkeypatch.setattr(resident, "SIZE", 12)


@pytest.mark.parametrize("draw", [shapes.blob, shapes.silhouette])
def test_outlines_fill_their_box(draw: Callable[[np.random.Generator, int, int, int], np.ndarray[Any, Any]]) -> None:
    """A blob and a silhouette are one connected region without straight sides; its box has the sides that were asked for."""
    random, filled = np.random.default_rng(0), []
    for _ in range(40):
        mask = draw(random, 96, 20, 40)
        rows, columns = int(mask.any(axis=1).sum()), int(mask.any(axis=0).sum())
        assert label(mask, connectivity=2).max() == 1
        assert 20 <= min(rows, columns) <= max(rows, columns) <= 40
        filled.append(mask.sum() / (rows * columns))
    assert 0.2 < np.mean(filled) < 0.9
    assert np.std(filled) > 0.02


def test_the_mix_of_holes_has_the_shares_that_were_asked_for() -> None:
    """Of 400 masks, a quarter each are strokes, blobs, silhouettes and rectangles; only rectangles fill their box."""
    settings, random = replace(SETTINGS, free_form=0.25, blobs=0.25, shapes=0.25), np.random.default_rng(0)
    full = 0
    for _ in range(400):
        mask = masks.draw(random, settings)
        full += mask.sum() == mask.any(axis=1).sum() * mask.any(axis=0).sum()
    assert 70 <= full <= 130


def test_holes_grow_in_eight_rungs() -> None:
    """The longest side grows from an eighth of the range to the whole of it within the ramp, and then stays."""
    settings = TrainSettings(hole_smallest=16, hole_largest=96, hole_ramp=80, batch=4, critic_steps=1)
    sides = [at_sample(settings, step * 8).hole_largest for step in (0, 9, 10, 40, 79, 80, 1000)]
    assert sides == [26, 26, 36, 66, 96, 96, 96]
    assert at_sample(replace(settings, hole_ramp=0), 0) == replace(settings, hole_ramp=0)


def test_mixed_crops_change_from_batch_to_batch(tree: Path) -> None:
    """All samples of a batch have one crop size, of three, with holes in proportion; a worker process draws the same."""
    settings = replace(SETTINGS, crop=192, hole_largest=96, mixed_crops=True, free_form=0.0)
    for number in range(12):
        sides = {at_sample(settings, settings.batch * number + sample).crop for sample in range(settings.batch)}
        assert len(sides) == 1
    drawn = [at_sample(settings, settings.batch * number) for number in range(60)]
    assert {one.crop for one in drawn} == {96, 144, 192}
    assert all(2 * one.hole_largest == one.crop for one in drawn)


def test_reductions_follow_the_settings() -> None:
    """Crops are cut at full size without changes of scale, reduced by up to 2 with jitter, up to 4 with mixed scales, as far as fits."""
    random, shortest = np.random.default_rng(0), np.array([96, 150, 1000] * 100)
    for change, largest in (({"scale_jitter": False}, 1), ({}, 2), ({"mixed_scales": True}, 4)):
        sides = drawn_side(random, replace(SETTINGS, **change), shortest, len(shortest))
        assert (sides >= 96).all()
        assert (sides <= np.minimum(shortest, largest * 96)).all()
        assert sides.max() > 0.9 * largest * 96


def test_a_bank_varies_its_masks_by_the_symmetries_of_a_square(small_bank: None) -> None:
    """The eight variants of a mask are its four rotations and their mirror images; distances are those of each variant."""
    drawn = MaskBank(replace(SETTINGS, free_form=1.0), CPU)
    mask, distance = drawn.planes(torch.full((8,), 3), torch.arange(8))
    plain = mask[0, 0].numpy()
    expected = {np.rot90(side, turns).tobytes() for side in (plain, plain.T) for turns in range(4)}
    assert {plane[0].numpy().tobytes() for plane in mask} == expected
    for one, far in zip(mask, distance, strict=True):
        np.testing.assert_allclose(far[0], masks.distance_to_known(one[0].numpy() > 0), rtol=1e-3)
    assert drawn.missing[3] == plain.sum()


def test_resident_pictures_give_crops_of_the_pictures(tree: Path, small_bank: None) -> None:
    """Without a change of scale and colour, each crop is a part of a picture or of its mirror image, to the grey level."""
    settings = replace(SETTINGS, scale_jitter=False, colour_jitter=0.0, batch=8)
    sources = find_pictures(tree)
    kept = ResidentPictures(sources, settings, CPU)
    assert kept.skipped == 2
    pictures = [np.asarray(Image.open(io.BytesIO(_picture(seed)))) for seed in range(3)]
    parts = {
        view[top : top + 96, left : left + 96].tobytes()
        for picture in pictures
        for view in (picture, picture[:, ::-1])
        for top in range(5)
        for left in range(25)
    }
    batch = next(kept.batches(0))
    for crop in batch.image:
        assert np.rint((crop.permute(1, 2, 0).numpy() + 1) * 127.5).astype(np.uint8).tobytes() in parts
    assert torch.equal(batch.missing, batch.mask.sum((1, 2, 3)).long())


@pytest.mark.parametrize("side", [96, 192, 150])
def test_reduced_crops_are_means_of_the_picture(tmp_path: Path, small_bank: None, side: int) -> None:
    """A crop of twice the side has the means of blocks of 2 x 2; any other reduction keeps the mean colour within two grey levels."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "one.png")
    settings = replace(SETTINGS, colour_jitter=0.0, flip=False, batch=16)
    kept = ResidentPictures(find_pictures(tmp_path), settings, CPU)
    table = np.zeros((1, 12))
    table[0, [1, 4, 6]] = side, side, 1.0  # width, side, gain
    crop = (kept._crops(torch.from_numpy(table), settings)[0].permute(1, 2, 0).numpy() + 1) * 127.5  # noqa: SLF001  # one chosen crop
    if side % 96 == 0:
        blocks = pixels.reshape(96, side // 96, 96, side // 96, 3).mean((1, 3))
        np.testing.assert_allclose(crop, blocks, atol=1e-3)
    np.testing.assert_allclose(crop.mean((0, 1)), pixels.mean((0, 1)), atol=2)


def test_resident_batches_depend_only_on_seed_and_position(tree: Path, small_bank: None) -> None:
    """A resumed stream continues where it stopped, two processes share a batch, and another seed gives other batches."""
    sources, settings = find_pictures(tree), replace(SETTINGS, pictures="device")
    stream, skipped = open_stream(sources, settings, CPU, 0)
    first, second = next(stream), next(stream)
    assert skipped == 2
    assert _equal(second, next(open_stream(sources, settings, CPU, settings.batch)[0]))
    halves = [next(open_stream(sources, settings, CPU, 0, rank, 2)[0]) for rank in (0, 1)]
    assert torch.equal(first.image, torch.cat([half.image for half in halves]))
    assert not _equal(first, next(open_stream(sources, replace(settings, seed=1), CPU, 0)[0]))


def test_unusable_resident_pictures_are_an_error(tmp_path: Path) -> None:
    """If all pictures are broken, keeping them on the device raises ConfigError."""
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(ConfigError, match="all 1 pictures are broken"):
        ResidentPictures(find_pictures(tmp_path), SETTINGS, CPU)


def test_making_a_resident_batch_waits_for_nothing(tree: Path, small_bank: None) -> None:
    """Cutting a batch from pictures on the device reads no value from it; the numbers of the batch are copied to it."""
    stream = ResidentPictures(find_pictures(tree), SETTINGS, CPU).batches(0)
    assert waits_of(lambda: next(stream)) == {"lift_fresh"}  # of `from_numpy`
