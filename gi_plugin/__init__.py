"""gi-plugin: fill holes in pictures, from Python, from the command line, or as a plugin of a host program."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from .errors import (
    Cancelled,
    ConfigError,
    EngineError,
    EngineMismatch,
    EngineMissing,
    GiError,
    ImageError,
    MissingDependency,
    ModelError,
    PluginError,
    TrainingError,
)

if TYPE_CHECKING:
    from .inpainter import Inpainter, inpaint
    from .sequence import inpaint_sequence

__version__ = version("gi-plugin")
__all__ = [
    "Cancelled",
    "ConfigError",
    "EngineError",
    "EngineMismatch",
    "EngineMissing",
    "GiError",
    "ImageError",
    "Inpainter",
    "MissingDependency",
    "ModelError",
    "PluginError",
    "TrainingError",
    "inpaint",
    "inpaint_sequence",
]


def __getattr__(name: str) -> Any:  # imported on first use, so that `import gi_plugin` loads neither numpy nor an engine
    if name in ("Inpainter", "inpaint"):
        from . import inpainter  # noqa: PLC0415

        return getattr(inpainter, name)
    if name == "inpaint_sequence":
        from . import sequence  # noqa: PLC0415

        return sequence.inpaint_sequence
    raise AttributeError(f"module 'gi_plugin' has no attribute {name!r}")
