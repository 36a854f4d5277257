"""gi-plugin: fill holes in pictures, from Python, from the command line, or as a plugin of a host program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .errors import (
    Cancelled,
    ConfigError,
    EngineError,
    EngineMismatch,
    EngineMissing,
    GiError,
    ImageError,
    MaskWarning,
    MissingDependency,
    ModelError,
    PluginError,
    TrainingError,
)
from .version import VERSION

if TYPE_CHECKING:
    from .inpainter import Inpainter
    from .sequence import inpaint_sequence
    from .shared import inpaint

__version__ = VERSION
__all__ = [
    "Cancelled",
    "ConfigError",
    "EngineError",
    "EngineMismatch",
    "EngineMissing",
    "GiError",
    "ImageError",
    "Inpainter",
    "MaskWarning",
    "MissingDependency",
    "ModelError",
    "PluginError",
    "TrainingError",
    "inpaint",
    "inpaint_sequence",
]


def __dir__() -> list[str]:
    return sorted([*__all__, *(name for name in globals() if name.startswith("__"))])


def __getattr__(name: str) -> Any:  # imported on first use, so that `import gi_plugin` loads neither numpy nor an engine
    if name == "Inpainter":
        from .inpainter import Inpainter  # noqa: PLC0415

        return Inpainter
    if name == "inpaint":
        from .shared import inpaint  # noqa: PLC0415

        return inpaint
    if name == "inpaint_sequence":
        from .sequence import inpaint_sequence  # noqa: PLC0415

        return inpaint_sequence
    raise AttributeError(f"module 'gi_plugin' has no attribute {name!r}")
