"""Settings: the tables of plugin.toml as frozen dataclasses, checked on load.

Settings come from the first of these that exists: the file named by the caller or by `--config`, the file named by the environment variable
GI_PLUGIN_CONFIG, plugin.toml in the user's configuration folder, the defaults below. A file only needs the keys that it changes.
"""

from __future__ import annotations

from .places import APPLICATION, CACHE_VARIABLE, CONFIG_VARIABLE, cache_directory, config_source, user_config_file
from .reading import load_config, parse_config
from .tables import (
    BACKENDS,
    DETAILS,
    Config,
    Detail,
    EngineSettings,
    HookSettings,
    ModelSettings,
    PluginSettings,
    TrainSettings,
    check_settings,
    usable_cores,
)
from .writing import written

__all__ = [
    "APPLICATION",
    "BACKENDS",
    "CACHE_VARIABLE",
    "CONFIG_VARIABLE",
    "DETAILS",
    "Config",
    "Detail",
    "EngineSettings",
    "HookSettings",
    "ModelSettings",
    "PluginSettings",
    "TrainSettings",
    "cache_directory",
    "check_settings",
    "config_source",
    "load_config",
    "parse_config",
    "usable_cores",
    "user_config_file",
    "written",
]
