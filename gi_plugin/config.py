"""Settings: the tables of plugin.toml as frozen dataclasses, checked on load.

Settings come from the first of these that exists: the file named by the caller or by `--config`, the file named by the environment variable
GI_PLUGIN_CONFIG, plugin.toml in the user's configuration folder, the defaults below. A file only needs the keys that it changes.
"""

from __future__ import annotations

import dataclasses
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import platformdirs

from .errors import ConfigError

APPLICATION = "gi-plugin"
CONFIG_VARIABLE = "GI_PLUGIN_CONFIG"
CACHE_VARIABLE = "GI_PLUGIN_CACHE"
Detail = Literal["transfer", "network"]  # where the pixels of a fill come from
DETAILS: tuple[Detail, ...] = ("transfer", "network")
BACKENDS = ("tensorrt", "tensorrt-rtx", "openvino", "torch")


def _one_of(default: Any, *choices: Any) -> Any:
    allowed = " or ".join(repr(choice) for choice in choices)
    return field(default=default, metadata={"allowed": allowed, "test": lambda value: value in choices})


def _between(default: Any, low: float, high: float) -> Any:
    return field(default=default, metadata={"allowed": f"{low} to {high}", "test": lambda value: low <= value <= high})


def _name(default: str) -> Any:
    return field(default=default, metadata={"allowed": "a name", "test": re.compile(r"[\w.-]+").fullmatch})


def _multiple_of_32(default: int, low: int, high: int) -> Any:
    allowed = f"a multiple of 32 from {low} to {high}"
    return field(default=default, metadata={"allowed": allowed, "test": lambda value: low <= value <= high and value % 32 == 0})


@dataclass(frozen=True)
class PluginSettings:
    """[plugin]: the manifest; its values are fixed, so that a host can rely on them."""

    name: str = _one_of("contextual-attention", "contextual-attention")
    project: str = _one_of("gi_plugin", "gi_plugin")
    group: str = _one_of("gi_plugin", "gi_plugin")


@dataclass(frozen=True)
class HookSettings:
    """[hook]: defaults of the options of an `inpaint` call."""

    dilate: int = _between(0, 0, 64)
    detail: Detail = _one_of("transfer", *DETAILS)  # noqa: RUF009  # a field, as the others
    max_pixels: int = _between(500_000_000, 1, 2**40)


@dataclass(frozen=True)
class ModelSettings:
    """[model]: the trained network."""

    path: str = ""


@dataclass(frozen=True)
class EngineSettings:
    """[engine]: the engine that runs the network, and its options."""

    backend: str = _name("auto")  # one of `BACKENDS`, or of a plugin
    precision: str = _one_of("auto", "auto", "fp32", "bf16", "fp16", "int8")
    layer: str = _one_of("auto", "auto", "plugin", "aot", "native")
    batch: int = _between(1, 1, 64)
    threads: int = _between(0, 0, 1024)
    streams: int = _between(0, 0, 64)
    cache: str = ""

    def cores(self) -> int:
        """Threads that may run at once: the setting, else one per core that this process may use."""
        return self.threads or usable_cores()


@dataclass(frozen=True)
class TrainSettings:
    """[train]: the training run; the defaults follow the paper, except for `fill`, `ema` and the augmentations."""

    width: int = _between(32, 8, 256)
    attention: bool = True
    fill: str = _one_of("smooth", "smooth", "grey")
    seed: int = _between(0, 0, 2**31)
    crop: int = _multiple_of_32(256, 96, 1024)
    batch: int = _between(16, 1, 1024)
    accumulate: int = _between(1, 1, 64)
    scale_jitter: bool = True
    flip: bool = True
    colour_jitter: float = _between(0.1, 0.0, 1.0)
    hole_smallest: int = _between(96, 1, 1024)
    hole_largest: int = _between(128, 1, 1024)
    free_form: float = _between(0.0, 0.0, 1.0)
    workers: int = _between(1, 0, 64)
    gan: str = _one_of("wgan-gp", "wgan-gp", "hinge", "lsgan")
    critic_steps: int = _between(5, 0, 100)
    critic_warmup: int = _between(100, 0, 100_000)
    gradient_penalty: float = _between(10.0, 0.0, 1000.0)
    adversarial_weight: float = _between(0.001, 0.0, 10.0)
    hole_weight: float = _between(1.2, 0.0, 100.0)
    known_weight: float = _between(1.2, 0.0, 100.0)
    coarse_weight: float = _between(1.2, 0.0, 100.0)
    texture_weight: float = _between(0.0, 0.0, 100.0)
    discount: float = _between(0.99, 0.5, 1.0)
    learning_rate: float = _between(1e-4, 1e-8, 1.0)
    decay: bool = False
    beta1: float = _between(0.5, 0.0, 0.9999)
    beta2: float = _between(0.9, 0.0, 0.99999)
    ema: float = _between(0.999, 0.0, 0.99999)
    precision: str = _one_of("fp32", "fp32", "bf16")
    channels_last: bool = True
    compile: bool = False
    validation: int = _between(32, 1, 10_000)
    validate_every: int = _between(500, 1, 10**9)


@dataclass(frozen=True)
class Config:
    """All settings, one attribute per table."""

    plugin: PluginSettings = PluginSettings()
    hook: HookSettings = HookSettings()
    model: ModelSettings = ModelSettings()
    engine: EngineSettings = EngineSettings()
    train: TrainSettings = TrainSettings()
    plugins: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, hash=False)  # [plugins.NAME]: checked by that plugin's options
    source: Path | None = field(default=None, compare=False, kw_only=True)  # the file that they were read from; not a table


def load_config(path: str | Path | None = None, backend: str | None = None) -> Config:
    """Read the settings from `path`; if it is None, from the sources that the module's docstring lists.

    :param backend: overrides the setting [engine] backend.
    :raises ConfigError: if a setting is wrong; the message names file, key, value and the allowed values.
    """
    source = config_source(path)
    config = Config() if source is None else dataclasses.replace(parse_config(_read(source), str(source)), source=source)
    if backend:
        config = dataclasses.replace(config, engine=dataclasses.replace(config.engine, backend=backend))
        check_settings(config.engine, "command line:")
    return config


def parse_config(text: str, source: str) -> Config:
    """Parse the text of a plugin.toml; `source` is its name in error messages.

    :raises ConfigError: if a setting is wrong; the message names source, key, value and the allowed values.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{source}: not valid TOML: {error}") from error
    tables: dict[str, Any] = {}
    for name, kind in _tables().items():
        values = data.pop(name, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{source}: {name} = {values!r}: expected a table, write [{name}]")
        tables[name] = _table(kind, values, f"{source}: [{name}]")
    plugins = _tables_of_plugins(data.pop("plugins", {}), source)
    if data:
        name, value = next(iter(data.items()))
        raise ConfigError(f"{source}: {name} = {value!r}: unknown table or key; known tables: {', '.join((*tables, 'plugins.NAME'))}")
    return Config(**tables, plugins=plugins)


def check_settings(settings: EngineSettings | TrainSettings, origin: str) -> None:
    """Check settings that did not come from a file, e.g. from the command line; `origin` is their name in error messages.

    :raises ConfigError: if a value is wrong.
    """
    for entry in dataclasses.fields(settings):
        _check(entry, getattr(settings, entry.name), origin)


def usable_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def user_config_file() -> Path:
    """Return the path of the current user's plugin.toml; the file may not exist."""
    return platformdirs.user_config_path(APPLICATION, appauthor=False) / "plugin.toml"


def cache_directory(engine: EngineSettings) -> Path:
    """Return the folder for built engines: the setting [engine] cache, else GI_PLUGIN_CACHE, else the user's cache folder."""
    named = engine.cache or os.environ.get(CACHE_VARIABLE, "")
    return Path(named).expanduser() if named else platformdirs.user_cache_path(APPLICATION, appauthor=False)


def config_source(path: str | Path | None = None) -> Path | None:
    """Return the file that `load_config` reads; None if the defaults apply."""
    named = path or os.environ.get(CONFIG_VARIABLE)
    if named:
        return Path(named)
    file = user_config_file()
    return file if file.is_file() else None


def _read(source: Path) -> str:
    try:
        return source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{source}: cannot be read: {error}") from error


def _tables() -> dict[str, type[Any]]:
    return {entry.name: type(entry.default) for entry in dataclasses.fields(Config) if dataclasses.is_dataclass(entry.default)}


def _tables_of_plugins(tables: Any, source: str) -> dict[str, dict[str, Any]]:
    """Check that `plugins` holds one table per plugin."""
    if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
        raise ConfigError(f"{source}: plugins = {tables!r}: expected tables, write [plugins.NAME]")
    return tables


def _table(kind: type[Any], values: dict[str, Any], origin: str) -> Any:
    entries = {entry.name: entry for entry in dataclasses.fields(kind)}
    for key, value in values.items():
        if key not in entries:
            raise ConfigError(f"{origin} {key} = {value!r}: unknown key; known keys: {', '.join(entries)}")
        _check(entries[key], value, origin)
    return kind(**values)


def _check(entry: dataclasses.Field[Any], value: Any, origin: str) -> None:
    accepted: tuple[type, ...] = (int, float) if isinstance(entry.default, float) else (type(entry.default),)
    kind = type(entry.default).__name__
    if type(value) not in accepted:  # not isinstance: bool is a subclass of int
        raise ConfigError(f"{origin} {entry.name} = {value!r}: expected {kind}, got {type(value).__name__}")
    test = entry.metadata.get("test")
    if test is not None and not test(value):
        raise ConfigError(f"{origin} {entry.name} = {value!r}: expected {entry.metadata['allowed']}")
