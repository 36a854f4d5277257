"""Options of one call, checked, from keywords or from the mapping of a hook call."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from numbers import Integral, Real
from typing import Any, ParamSpec, Protocol, TypeVar

import numpy as np

from .arrays import Array
from .config import DETAILS, Detail
from .errors import ConfigError

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


class Stoppable(Protocol):
    """An event of `threading`, `multiprocessing` or `asyncio`."""

    def is_set(self) -> bool:
        """Return whether the call is to stop."""


@dataclass(frozen=True)
class Options:
    """Options of an `inpaint` call.

    :raises ConfigError: if an option has an invalid value.
    """

    channel_axis: int | None = -1  # axis of the channels of a three-dimensional image
    data_range: tuple[float, float] | None = None  # lowest and highest value of the image; see `value_range` if None
    dilate: int | None = None  # pixels by which the hole grows before it is filled; the setting [hook] dilate if None
    mask_alpha: bool = False  # read the hole from the alpha channel of a mask with four channels
    detail: Detail | None = None  # source of the pixels, the transfer or the network; the setting [hook] detail if None
    sources: Array | None = field(default=None, compare=False)  # mask of the pixels that the transfer may copy; all known pixels if None
    seed: int = 0  # of the transfer; another seed gives another result
    invert_mask: bool = False  # zero means missing
    channel_order: str = "rgb"  # or "bgr", as OpenCV has it
    cancel: Stoppable | None = field(default=None, compare=False)  # an event: once it is set, the call raises `Cancelled`
    deadline: float | None = None  # seconds after which the call raises `Cancelled`
    progress: Callable[[float], None] | None = field(default=None, compare=False)  # called with the share that is done, up to 1

    def __post_init__(self) -> None:
        for name, (test, expected) in _EXPECTED.items():
            value = getattr(self, name)
            if value is not None and not test(value):
                raise ConfigError(f"option {name} = {value!r}: expected {expected}")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Options:
        """Make options from the mapping of a hook call.

        :raises ConfigError: if a key is unknown, or a value is invalid.
        """
        known = [entry.name for entry in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                raise unknown_option(key, known)
        return cls(**values)


ENGINE_SETTINGS = ("backend", "precision", "device", "layer", "batch", "threads", "streams")  # what callers ask for by mistake
_EXPECTED: dict[str, tuple[Callable[[Any], bool], str]] = {
    "channel_axis": (lambda value: isinstance(value, Integral), "a whole number"),
    "data_range": (lambda value: np.shape(value) == (2,) and np.asarray(value).dtype.kind in "iuf", "two numbers, (lowest, highest)"),
    "dilate": (lambda value: isinstance(value, Integral) and int(value) >= 0, "0 or more pixels"),
    "mask_alpha": (lambda value: isinstance(value, bool), "True or False"),
    "invert_mask": (lambda value: isinstance(value, bool), "True or False"),
    "detail": (lambda value: value in DETAILS, " or ".join(map(repr, DETAILS))),
    "sources": (lambda value: isinstance(value, np.ndarray), "a mask, as a numpy array"),
    "seed": (
        lambda value: isinstance(value, Integral) and not isinstance(value, bool) and 0 <= int(value) < 2**31,
        "a whole number from 0 to 2**31 - 1",
    ),
    "channel_order": (lambda value: value in ("rgb", "bgr"), "'rgb' or 'bgr'"),
    "cancel": (lambda value: callable(getattr(value, "is_set", None)), "an event, such as threading.Event()"),
    "deadline": (lambda value: isinstance(value, Real) and not isinstance(value, bool) and float(value) > 0, "seconds, more than 0"),
    "progress": (callable, "a function that takes a number from 0 to 1"),
}


def names_nearest_keyword(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Decorate a function so that a misspelt keyword raises a `TypeError` that names the most similar one. The signature stays the same."""
    known = [parameter.name for parameter in inspect.signature(function).parameters.values() if parameter.name != "self"]

    @functools.wraps(function)
    def checked(*arguments: Arguments.args, **keywords: Arguments.kwargs) -> Result:
        for name in keywords:
            if name not in known:
                raise TypeError(f"inpaint has no option {name!r}: {_remedy(name, known)}")
        return function(*arguments, **keywords)

    return checked


def unknown_option(name: str, known: Iterable[str]) -> ConfigError:
    """Make the error about an option of a call that does not exist, or is a setting of the engine."""
    return ConfigError(f"unknown option {name!r}: {_remedy(name, known)}")


def _remedy(name: str, known: Iterable[str]) -> str:
    if name not in ENGINE_SETTINGS:
        return nearest(name, known)
    return (
        "an engine is opened once for all calls, so this is a setting, not an option; set [engine] in plugin.toml, or make a plugin with "
        "settings of its own: gi_plugin.hooks.plugin.plugin_for(project, config)"
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """Write the end of an error message about an unknown name: the most similar known name, or all known names."""
    names = list(known)
    found = get_close_matches(name, names, 1)
    return f"did you mean {found[0]!r}?" if found else f"expected one of {', '.join(names)}"
