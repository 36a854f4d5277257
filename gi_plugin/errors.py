"""Every error that gi-plugin raises on purpose.

GiError
├── ConfigError                       a setting is unknown, of the wrong type or out of range
├── ImageError (also ValueError)      an image or mask cannot be used as given
├── ModelError                        a network file is missing, damaged or not of our kind
├── EngineError                       an inference engine failed
│   ├── EngineMissing                 no engine can serve the request as things stand
│   └── EngineMismatch                a cached engine was made for something else, or was changed
├── TrainingError                     a training run diverged or cannot go on
└── MissingDependency (also ImportError)  an optional package is not installed

The text of an error says what was given, what was expected and what to do.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType


class GiError(Exception):
    """Base of all errors of gi-plugin; the command line prints them without a traceback."""


class ConfigError(GiError):
    """A setting is unknown, of the wrong type or out of range."""


class ImageError(GiError, ValueError):
    """An image or a mask cannot be used as given."""


class ModelError(GiError):
    """A network file is missing, damaged or not of our kind."""


class EngineError(GiError):
    """An inference engine failed."""


class EngineMissing(EngineError):
    """No engine can serve the request as things stand."""


class EngineMismatch(EngineError):
    """A cached engine was made for something else, or its file was changed."""


class TrainingError(GiError):
    """A training run diverged or cannot go on."""


class MissingDependency(GiError, ImportError):
    """An optional package is not installed."""


def first_line(error: Exception) -> str:
    """The first line of an error's message, or the name of its class if it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def require(module: str, extra: str) -> ModuleType:
    """Import a module of an optional extra.

    :raises MissingDependency: with the exact pip command, if the module is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] != module.split(".", maxsplit=1)[0]:
            raise  # installed, but broken: its own message tells more
        raise MissingDependency(f"{module} is not installed. Install it with: pip install 'gi-plugin[{extra}]'") from error
