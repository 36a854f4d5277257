"""Where the settings of a user and the built engines are."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import platformdirs

from .tables import EngineSettings

APPLICATION = "gi-plugin"
CONFIG_VARIABLE = "GI_PLUGIN_CONFIG"
CACHE_VARIABLE = "GI_PLUGIN_CACHE"


def user_config_file() -> Path:
    """Return the path of the current user's plugin.toml; the file may not exist.

    :raises OSError: if the user has no home folder.
    """
    return _in_home(lambda: platformdirs.user_config_path(APPLICATION, appauthor=False)) / "plugin.toml"


def cache_directory(engine: EngineSettings) -> Path:
    """Return the folder for built engines: the setting [engine] cache, else GI_PLUGIN_CACHE, else the user's cache folder.

    :raises OSError: if the user has no home folder, and no other folder is named.
    """
    named = engine.cache or os.environ.get(CACHE_VARIABLE, "")
    return _in_home(lambda: Path(named).expanduser() if named else platformdirs.user_cache_path(APPLICATION, appauthor=False))


def config_source(path: str | Path | None = None) -> Path | None:
    """Return the file that `load_config` reads; None if the defaults apply."""
    named = path or os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    with suppress(OSError):  # no home folder, no settings of the user
        return file if (file := user_config_file()).is_file() else None
    return None


def _in_home(find: Callable[[], Path]) -> Path:
    try:
        return find()
    except (RuntimeError, KeyError) as error:  # HOME is not set, and the user is unknown to the system
        raise OSError(f"this user has no home folder: set HOME, or {CACHE_VARIABLE} to a folder for engines") from error
