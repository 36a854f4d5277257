"""A widget for napari: fill the part of an image layer that a labels or shapes layer covers.

napari finds it through the manifest `napari.yaml` beside this file; magicgui builds the widget from the signature of `fill_holes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gi_plugin.arrays import Array
from gi_plugin.config import DETAILS, load_config
from gi_plugin.errors import ImageError

from .calling.session import inpaint_by_plugins

if TYPE_CHECKING:
    import napari
    import napari.layers
    import napari.types
    from magicgui.widgets import FunctionGui

DETAIL = "transfer: pixels of the image, guided by the network; network: the network's own pixels"  # tooltip


def make_widget() -> FunctionGui[..., napari.types.LayerDataTuple]:
    """Build the widget. Its lists of holes and sources offer the labels and shapes layers of the viewer.

    :raises ConfigError: if the user's settings are wrong.
    """
    import napari  # noqa: PLC0415  # optional dependency
    from magicgui import magicgui  # noqa: PLC0415  # comes with napari
    from napari.layers import Labels, Shapes  # noqa: PLC0415

    def mask_layers(_: object) -> list[napari.layers.Layer]:
        viewer = napari.current_viewer()
        return [layer for layer in viewer.layers if isinstance(layer, (Labels, Shapes))] if viewer else []

    layers = {"widget_type": "ComboBox", "choices": mask_layers}
    return magicgui(
        fill_holes,
        holes=layers,
        detail={"choices": DETAILS, "value": load_config().hook.detail, "nullable": False, "tooltip": DETAIL},
        seed={"min": 0, "max": 2**31 - 1, "tooltip": "another number gives another result of the transfer"},
        sources={**layers, "nullable": True, "tooltip": "a layer that covers where pixels may come from; everywhere if none is chosen"},
    )


def fill_holes(
    image: napari.layers.Image, holes: Any, grow: int = 0, detail: str | None = None, seed: int = 0, sources: Any = None
) -> napari.types.LayerDataTuple:
    """Fill the holes of an image with the contextual-attention network.

    :param image: a two-dimensional image layer, grey or RGB(A).
    :param holes: a labels layer of the same size (every label counts as missing), or a shapes layer.
    :param grow: pixels by which the holes are grown first.
    :param detail: where the pixels come from, "transfer" or "network"; the setting [hook] detail if None.
    :param seed: another number gives another result of the transfer.
    :param sources: a layer like `holes` that covers where pixels may come from; from everywhere if None.
    :return: data, attributes and type of the new image layer.
    :raises ImageError: if a layer has the wrong type, shape or number of dimensions, or the image cannot be filled.
    """
    data = np.asarray(image.data[0] if image.multiscale else image.data)
    if data.ndim != 2 + image.rgb:
        raise ImageError(f"{image.name} has shape {data.shape}: expected one picture; save one plane of the stack as a layer of its own")
    mask = _mask(holes, data.shape[:2])
    choices = {"detail": detail, "seed": seed, "sources": None if sources is None else _mask(sources, data.shape[:2])}
    options = {"dilate": grow, "channel_axis": -1 if image.rgb else None, **choices}
    filled = inpaint_by_plugins(data, mask, options)
    _, attributes, layer_type = image.as_layer_data_tuple()
    return filled, {**attributes, "name": f"{image.name} filled", "multiscale": False}, layer_type


def _mask(holes: Any, shape: tuple[int, ...]) -> Array:
    """Return the pixels that a layer covers, as bool [H, W]."""
    if hasattr(holes, "to_labels") and holes.ndim == 2:  # shapes
        return np.asarray(holes.to_labels(shape)) > 0
    data = np.asarray(holes.data[0] if holes.multiscale else holes.data) if hasattr(holes, "selected_label") else None
    if data is None or data.shape != shape:
        given = f"a layer of {type(holes).__name__}" if data is None else f"labels of shape {data.shape}"
        raise ImageError(f"{holes.name} is {given}: expected labels of the image's shape {shape}, or two-dimensional shapes")
    return np.asarray(data != 0)
