"""The napari widget: its manifest, and its function on stand-ins for layers and on real layers if napari is installed."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import gi_plugin
from gi_plugin.arrays import Array
from gi_plugin.config import CONFIG_VARIABLE
from gi_plugin.hooks.napari_widget import fill_holes
from tests.hooks.pictures import picture

IMAGE, MASK = picture()
BOX = np.array([[10, 12], [10, 30], [25, 30], [25, 12]])  # corners of a rectangle, rows and columns
WIDGET = """
import napari
import numpy as np
from napari.components import ViewerModel
from npe2 import PluginManager

manager = PluginManager()
manager.discover()
manager.activate("gi-plugin")
viewer = ViewerModel()
napari.current_viewer = lambda: viewer  # a viewer window would need OpenGL
photo = viewer.add_image(np.full((40, 50, 3), 90, np.uint8), rgb=True, name="photo")
widget = manager.commands.get("gi-plugin.fill_holes")()
print([field.name for field in widget], widget.holes.choices)
print(widget.detail.choices, widget.detail.value, widget.seed.value, widget.seed.max, widget.sources.value)
holes = viewer.add_labels(np.zeros((40, 50), np.uint8), name="holes")
viewer.add_shapes(name="boxes")
holes.data[10:20, 10:20] = 1
widget.reset_choices()
print([layer.name for layer in widget.holes.choices], widget.holes.value.name)
print([layer and layer.name for layer in widget.sources.choices], widget.sources.value)
(filled, attributes, layer_type) = widget(photo)
print(filled.shape, attributes["name"], layer_type)
"""


@dataclass
class StandIn:
    """The part of napari's image and labels layers that the function uses."""

    data: Any
    name: str = "layer"
    rgb: bool = False
    multiscale: bool = False
    scale: tuple[float, float] = (1.0, 1.0)

    @property
    def ndim(self) -> int:
        """Number of dimensions without the colour axis."""
        return int(self.data.ndim) - self.rgb

    def as_layer_data_tuple(self) -> tuple[Any, dict[str, Any], str]:
        """Return data, attributes and type of the layer."""
        return self.data, {"name": self.name, "multiscale": self.multiscale, "scale": self.scale}, "image"


class StandInLabels(StandIn):
    """A labels layer."""

    selected_label = 1


@dataclass
class StandInShapes:
    """A shapes layer with one rectangle."""

    data: list[Array]
    ndim: int = 2
    name: str = "layer"

    def to_labels(self, shape: tuple[int, int]) -> Array:
        """Draw the rectangle as napari does, including its border."""
        labels = np.zeros(shape, int)
        (top, left), (bottom, right) = self.data[0].min(0), self.data[0].max(0)
        labels[top : bottom + 1, left : right + 1] = 1
        return labels


@pytest.fixture(params=["stand-in", "napari"])
def layers(request: pytest.FixtureRequest) -> Any:
    """Layer classes: the stand-ins, or napari's own."""
    if request.param == "stand-in":
        return SimpleNamespace(
            Image=StandIn,
            Labels=StandInLabels,
            Shapes=lambda data: StandInShapes(data, data[0].shape[1]),
        )
    with warnings.catch_warnings(action="ignore"):  # warnings of packages that napari imports
        return pytest.importorskip("napari.layers", reason="napari is not installed: pip install 'gi-plugin[napari]'", exc_type=ImportError)


def test_npe2_finds_the_manifest_valid() -> None:
    """The manifest of the installed package passes npe2's validation, including the import of its commands."""
    command = [sys.executable, "-m", "npe2", "validate", "--imports", "gi-plugin"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "valid!" in done.stdout


def test_the_manifest_offers_one_widget() -> None:
    """npe2 discovers one widget, and its command is our function `make_widget`."""
    code = """
from npe2 import PluginManager
manager = PluginManager()
manager.discover()
manager.activate("gi-plugin")
(widget,) = manager.get_manifest("gi-plugin").contributions.widgets
print(widget.command, manager.commands.get(widget.command).__qualname__)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["gi-plugin.fill_holes", "make_widget"]


@pytest.mark.skipif(not (find_spec("napari") and find_spec("PySide6")), reason="napari and PySide6 are not installed")
def test_the_widget_offers_labels_and_shapes_as_holes(tmp_path: Path) -> None:
    """Image layers are not offered, and the first offered layer is selected, but none for the sources. Runs without a screen."""
    (tmp_path / "plugin.toml").write_text('[hook]\ndetail = "network"\n', encoding="utf-8")
    environment = {**os.environ, "QT_QPA_PLATFORM": "offscreen", CONFIG_VARIABLE: str(tmp_path / "plugin.toml")}
    done = subprocess.run([sys.executable, "-c", WIDGET], capture_output=True, text=True, check=False, timeout=120, env=environment)
    assert done.stdout.splitlines() == [
        "['image', 'holes', 'grow', 'detail', 'seed', 'sources', 'call_button'] ()",
        f"('transfer', 'network') network 0 {2**31 - 1} None",
        "['holes', 'boxes'] holes",
        "[None, 'holes', 'boxes'] None",
        "(40, 50, 3) photo filled image",
    ], done.stderr


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("kind", ["grey", "RGB", "RGBA"])
def test_every_label_is_filled(layers: Any, kind: str, dtype: type) -> None:
    """The result equals that of `gi_plugin.inpaint` with a mask of all labels; the new layer keeps the attributes of the image layer."""
    image = IMAGE.astype(dtype) / dtype(255 if dtype is np.float32 else 1)
    image = {"grey": image[..., 0], "RGB": image, "RGBA": np.dstack((image, image[..., :1]))}[kind].astype(dtype)
    labels = MASK.astype(np.uint8) * 3
    labels[2, 2] = 7
    layer = layers.Image(image, name="photo", rgb=kind != "grey", scale=(2.0, 2.0))
    filled, attributes, layer_type = fill_holes(layer, layers.Labels(labels))
    np.testing.assert_array_equal(filled, gi_plugin.inpaint(image, labels > 0))
    assert (filled.dtype, layer_type) == (image.dtype, "image")
    assert (attributes["name"], tuple(attributes["scale"])) == ("photo filled", (2.0, 2.0))


def test_shapes_are_filled(layers: Any) -> None:
    """The area that a rectangle covers is the hole."""
    filled, _, _ = fill_holes(layers.Image(IMAGE, rgb=True), layers.Shapes([BOX]))
    changed = (filled != IMAGE).any(axis=2)
    rows, columns = np.nonzero(changed)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (10, 25, 12, 30)


def test_growing_is_dilation(layers: Any) -> None:
    """The widget's field `grow` is the option `dilate`."""
    filled, _, _ = fill_holes(layers.Image(IMAGE, rgb=True), layers.Labels(MASK.astype(np.uint8)), 3)
    np.testing.assert_array_equal(filled, gi_plugin.inpaint(IMAGE, MASK, dilate=3))


def test_detail_and_seed_are_the_options(layers: Any) -> None:
    """The widget's fields are the options of the same names; the default is the setting."""
    image, holes = layers.Image(IMAGE, rgb=True), layers.Labels(MASK.astype(np.uint8))
    for options in ({"detail": "network"}, {"detail": "transfer", "seed": 4}, {"detail": None}):
        np.testing.assert_array_equal(fill_holes(image, holes, **options)[0], gi_plugin.inpaint(IMAGE, MASK, **options))


@pytest.mark.parametrize("kind", ["labels", "shapes"])
def test_pixels_come_from_the_sources(layers: Any, kind: str) -> None:
    """Labels or shapes in the field `sources` are the option of that name."""
    region = np.zeros(MASK.shape, np.uint8)
    region[10:26, 12:31] = 2
    sources = layers.Labels(region) if kind == "labels" else layers.Shapes([BOX])
    filled, _, _ = fill_holes(layers.Image(IMAGE, rgb=True), layers.Labels(MASK.astype(np.uint8)), sources=sources)
    np.testing.assert_array_equal(filled, gi_plugin.inpaint(IMAGE, MASK, sources=region > 0))
    assert not np.array_equal(filled, gi_plugin.inpaint(IMAGE, MASK))


def test_pictures_of_any_float_range_are_taken(layers: Any) -> None:
    """The range of float data such as microscope counts is taken from the known pixels, which stay unchanged."""
    image = IMAGE[..., 0] * np.float32(37) - 500
    filled, _, _ = fill_holes(layers.Image(image), layers.Labels(MASK.astype(np.uint8)))
    np.testing.assert_array_equal(filled[~MASK], image[~MASK])
    assert image[~MASK].min() <= filled[MASK].min() <= filled[MASK].max() <= image[~MASK].max()


def test_a_multiscale_image_is_filled_at_full_size(layers: Any) -> None:
    """The first level of a multiscale image is filled, and the result is a layer with one scale."""
    filled, attributes, _ = fill_holes(
        layers.Image([IMAGE, IMAGE[::2, ::2]], rgb=True, multiscale=True), layers.Labels(MASK.astype(np.uint8))
    )
    np.testing.assert_array_equal(filled, gi_plugin.inpaint(IMAGE, MASK))
    assert attributes["multiscale"] is False


@pytest.mark.parametrize(
    ("image", "holes", "text"),
    [
        (lambda make: make.Image(np.zeros((5, 64, 80))), lambda make: make.Labels(MASK.astype(np.uint8)), "expected one picture"),
        (lambda make: make.Image(IMAGE, rgb=True), lambda make: make.Labels(np.zeros((5, 64, 80), int)), r"labels of shape \(5, 64, 80\)"),
        (lambda make: make.Image(IMAGE, rgb=True), lambda make: make.Image(IMAGE[..., 0]), "expected labels of the image's shape"),
        (lambda make: make.Image(IMAGE, rgb=True), lambda make: make.Shapes([np.pad(BOX, ((0, 0), (1, 0)))]), "two-dimensional shapes"),
        (lambda make: make.Image(IMAGE, rgb=True), lambda make: make.Labels(np.ones((64, 80), int)), "every pixel"),
    ],
    ids=["a stack", "labels of a stack", "no labels", "shapes of a stack", "everything"],
)
def test_unusable_layers_are_errors(layers: Any, image: Any, holes: Any, text: str) -> None:
    """The message, which napari shows, states what was given and what was expected."""
    with pytest.raises(gi_plugin.ImageError, match=text):
        fill_holes(image(layers), holes(layers))
