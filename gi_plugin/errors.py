"""The errors that gi-plugin raises.

GiError
├── ConfigError                       a setting is unknown, of the wrong type or out of range
├── ImageError (also ValueError)      an image or mask cannot be used as given
├── ModelError                        a network file is missing, damaged or not a gi-plugin network
├── EngineError                       an inference engine failed
│   ├── EngineMissing                 no engine is available for the request
│   └── EngineMismatch                a cached engine was built for something else, or its file was changed
├── TrainingError                     a training run diverged or cannot continue
├── PluginError                       a plugin of a host failed, or its result breaks the contract; it is named
├── Cancelled                         the caller cancelled the call, or its deadline passed
└── MissingDependency (also ImportError)  an optional package is not installed

Each message says what was given, what was expected and what to do.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

NO_MASK = "there is no mask, and the picture has no transparent pixels"  # a host adds how its users name a mask
UNMAPPED = ("failed to map segment", "cannot allocate memory", "Cannot allocate memory")  # what the system's loader says


class GiError(Exception):
    """Base class of all gi-plugin errors; the command line prints them without a traceback."""


class ConfigError(GiError):
    """A setting is unknown, of the wrong type or out of range."""


class ImageError(GiError, ValueError):
    """An image or a mask cannot be used as given."""


class ModelError(GiError):
    """A network file is missing, damaged or not a gi-plugin network."""


class EngineError(GiError):
    """An inference engine failed."""


class EngineMissing(EngineError):
    """No engine is available for the request: a package, a device or a built engine is missing."""


class EngineMismatch(EngineError):
    """A cached engine was built for something else, or its file was changed."""


class TrainingError(GiError):
    """A training run diverged or cannot continue."""


class PluginError(GiError):
    """A plugin of a host failed, or its result breaks the contract; `plugin` is its name."""

    def __init__(self, plugin: str, problem: str) -> None:
        super().__init__(f"plugin {plugin}: {problem}")
        self.plugin = plugin


class Cancelled(GiError):
    """The caller cancelled the call, or its deadline passed."""


class MissingDependency(GiError, ImportError):
    """An optional package is not installed."""


class MaskWarning(UserWarning):
    """A mask can be used, but is probably not what the caller meant."""


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its class if the message is empty."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def is_shortage(error: Exception) -> bool:
    """Whether an error comes from a lack of memory; a library that does not fit into it makes an `ImportError`."""
    return isinstance(error, MemoryError) or (isinstance(error, ImportError) and any(words in str(error) for words in UNMAPPED))


def require(module: str, extra: str) -> ModuleType:
    """Import a module that an optional extra installs, e.g. `require("torch", "train")`.

    :raises MissingDependency: if the module is not installed; the message holds the pip command that installs it.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.split(".")[0] != module.split(".", maxsplit=1)[0]:
            raise  # the module is installed, but one of its own imports is missing: that message helps more
        raise MissingDependency(f'{module} is not installed. Install it with: pip install "gi-plugin[{extra}]"') from error
