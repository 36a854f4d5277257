"""The way through the hooks for our own hosts: an inpainter that asks the plugins, and the plugins of a process."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gi_plugin.arrays import Array, Bools
from gi_plugin.config import Config
from gi_plugin.engines import open_engine
from gi_plugin.image import check_image
from gi_plugin.inpainter import EngineOpener, Inpainter, Inpainting
from gi_plugin.inputs.value_range import value_range
from gi_plugin.options import Options
from gi_plugin.planning import PlannedHole
from gi_plugin.shared import current_config

from ..loading import Failure, installed_plugins, load_plugins
from ..markers import NAME, PROJECT
from ..plugin import plugin_for
from ..spec import plugin_manager
from .call_options import resolve
from .checked import checked_inpaint, checked_sequence, fill_by_hooks, make_mask
from .selecting import others_with


@dataclass(frozen=True)
class PluginChoice:
    """Which plugins take part: all installed ones or ours alone, and the name of the one that must fill."""

    name: str | None = None
    others: bool = True
    mask_source: str | None = None  # name of the plugin that finds the masks of pictures without one


class PluggedInpainter(Inpainter):
    """An inpainter whose `run` asks the installed plugins; ours is one of them, with the engines of this inpainter.

    :param choice: which plugins take part.
    :raises ConfigError: if a chosen plugin is not installed.
    """

    def __init__(
        self,
        config: Config | None = None,
        open_engine: EngineOpener = open_engine,
        choice: PluginChoice = PluginChoice(),  # frozen
    ) -> None:
        super().__init__(config, open_engine)
        self.choice, self.manager = choice, plugin_manager()
        self.manager.register(plugin_for(PROJECT, inpainter=self), name=NAME)
        self.failures: list[Failure] = load_plugins(self.manager, names=None if choice.others else ())
        if choice.name is not None:
            others_with(self.manager, "inpaint", choice.name)
        if choice.mask_source is not None:
            others_with(self.manager, "make_mask", choice.mask_source)

    def run(self, image: Array, mask: Array | PlannedHole, options: Options) -> Inpainting:
        """Fill the hole of an image by the plugins; arguments and errors as for `Inpainter.run` and `checked_inpaint`.

        The result has no pieces if another plugin than ours answered.
        """
        source = check_image(image, options.channel_axis)
        planned = mask if isinstance(mask, PlannedHole) else self._plan_with_doubts(source, mask, options)
        planned.check_fits((source.shape[0], source.shape[1]))
        call = resolve(self.manager, self._mapping(options), self.config)
        call.planned = planned
        filled = fill_by_hooks(self.manager, np.asarray(image), planned.hole, call)
        seen = call.data_range or value_range(np.asarray(source), planned.hole, options.data_range)
        return Inpainting(filled, planned.hole, call.pieces, seen)

    def open_engines(self, hole: PlannedHole) -> None:
        """Open the engines that a hole needs, unless another plugin is to answer."""
        if self.uses_ours:
            super().open_engines(hole)

    @property
    def uses_ours(self) -> bool:
        """Whether our plugin can be asked."""
        return self.choice.name in (None, NAME)

    @property
    def backends(self) -> tuple[str, ...]:
        """Names and precisions of the engines that calls have opened so far."""
        with self._lock:
            thin = [] if self._thin_engine is None else [f"{self._thin_engine.backend} (thin holes)"]
            return (*(f"{engine.backend}, {size} px" for size, engine in self._engines.items()), *thin)

    def find_mask(self, image: Array, options: Options) -> Bools | None:
        """Let the chosen plugin find the mask of an image; None if none was chosen. Errors as for `make_mask`."""
        if self.choice.mask_source is None:
            return None
        return make_mask(self.manager, image, self.choice.mask_source, resolve(self.manager, self._mapping(options), self.config))

    def fill_frames(self, frames: Iterable[Array], masks: Iterable[Array], options: Options) -> Iterator[Array]:
        """Fill the frames of a sequence by the plugins: see the hook `inpaint_sequence`.

        :raises LookupError: if no plugin answers.
        """
        return checked_sequence(self.manager, frames, masks, resolve(self.manager, self._mapping(options), self.config))

    def _mapping(self, options: Options) -> dict[str, Any]:
        """The options of a call that differ from their defaults. The hole was grown when it was planned."""
        own = {entry.name: getattr(options, entry.name) for entry in dataclasses.fields(Options)}
        changed = {entry.name: own[entry.name] for entry in dataclasses.fields(Options) if own[entry.name] is not entry.default}
        return {
            **changed,
            "dilate": 0,
            "mask_alpha": False,
            "invert_mask": False,
            **({} if self.choice.name is None else {"plugin": self.choice.name}),
        }


def inpaint_sequence_by_plugins(
    frames: Iterable[Array], masks: Iterable[Array], options: Mapping[str, Any] | None = None
) -> Iterator[Array]:
    """Fill the frames of a sequence by the installed plugins: see the hook `inpaint_sequence`."""
    manager = installed_plugins()
    return checked_sequence(manager, frames, masks, resolve(manager, options, current_config()))


def inpaint_by_plugins(image: Array, mask: Array, options: Mapping[str, Any] | None = None) -> Array:
    """Fill the hole of an image by the installed plugins: see `checked_inpaint`."""
    return checked_inpaint(installed_plugins(), image, mask, options)
