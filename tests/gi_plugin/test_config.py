"""Settings: error messages name the mistake and the allowed values, and plugin.toml agrees with the code."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path
from typing import Any

import pytest

from gi_plugin.config import (
    CACHE_VARIABLE,
    CONFIG_VARIABLE,
    Config,
    EngineSettings,
    TrainSettings,
    cache_directory,
    check_settings,
    load_config,
    parse_config,
    user_config_file,
)
from gi_plugin.errors import ConfigError

MANIFEST = Path(__file__).resolve().parents[2] / "plugin.toml"
TABLES = {entry.name: entry.default for entry in dataclasses.fields(Config) if dataclasses.is_dataclass(entry.default)}
KEYS = [(table, entry.name) for table, settings in TABLES.items() for entry in dataclasses.fields(settings)]

MISTAKES = [  # text of the file, parts of the message
    ("threads = 4", ["threads = 4", "unknown", "plugin, hook, model, engine, train"]),
    ("[engines]\nthreads = 4", ["engines = {'threads': 4}", "unknown", "plugin, hook, model, engine, train"]),
    ("engine = 3", ["engine = 3", "expected a table", "[engine]"]),
    ("[[engine]]\nthreads = 3", ["engine = [{'threads': 3}]", "expected a table", "[engine]"]),
    (
        "[engine]\nbakend = 'torch'",
        ["[engine] bakend = 'torch'", "unknown key", "backend, device, precision, layer, batch, threads, streams, cache, cache_size"],
    ),
    ("[engine]\nbackend = 'a b'", ["[engine] backend = 'a b'", "expected a name"]),
    ("plugins = 3", ["plugins = 3", "write [plugins.NAME]"]),
    ("[plugins]\ngrain = 3", ["plugins = {'grain': 3}", "write [plugins.NAME]"]),
    ("[engine]\nprecision = 'int4'", ["[engine] precision = 'int4'", "'auto' or 'fp32' or 'bf16' or 'fp16' or 'int8'"]),
    ("[engine]\nthreads = '4'", ["[engine] threads = '4'", "expected int, got str"]),
    ("[engine]\nbatch = true", ["[engine] batch = True", "expected int, got bool"]),
    ("[engine]\nbatch = 0", ["[engine] batch = 0", "expected 1 to 64"]),
    ("[engine]\nbatch = 65", ["[engine] batch = 65", "expected 1 to 64"]),
    ("[engine]\nstreams = 65", ["[engine] streams = 65", "expected 0 to 64"]),
    ("[engine]\ncache = false", ["[engine] cache = False", "expected str, got bool"]),
    ("[hook]\ndilate = 1.5", ["[hook] dilate = 1.5", "expected int, got float"]),
    ("[hook]\ndilate = -1", ["[hook] dilate = -1", "expected 0 to 64"]),
    ("[hook]\nmax_pixels = 0", ["[hook] max_pixels = 0", "expected 1 to 1099511627776"]),
    ("[model]\npath = ['a.onnx']", ["[model] path = ['a.onnx']", "expected str, got list"]),
    ("[plugin]\nname = 1979-05-27", ["[plugin] name = datetime.date(1979, 5, 27)", "expected str, got date"]),
    ("[train]\nattention = 1", ["[train] attention = 1", "expected bool, got int"]),
    ("[train]\ncrop = 100", ["[train] crop = 100", "expected a multiple of "]),
    ("[train]\nfill = 'noise'", ["[train] fill = 'noise'", "'smooth' or 'grey'"]),
    ("[train]\nlearning_rate = nan", ["[train] learning_rate = nan", "expected 1e-08 to 1.0"]),
    ("[train]\nlearning_rate = inf", ["[train] learning_rate = inf", "expected 1e-08 to 1.0"]),
    ("[train]\nlearning_rate = 'fast'", ["[train] learning_rate = 'fast'", "expected float, got str"]),
    ("[engine\nbatch = 1", ["not valid TOML", "line 1"]),
    ("[engine]\nbatch = 1\nbatch = 2\n", ["not valid TOML", "line 3"]),
]


@pytest.mark.parametrize(("text", "parts"), MISTAKES, ids=[text.replace("\n", " ") for text, _ in MISTAKES])
def test_a_mistake_is_named(text: str, parts: list[str]) -> None:
    """The message names the file, then key and value, then the allowed values."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "/home/me/plugin.toml")
    message = str(caught.value)
    assert message.startswith("/home/me/plugin.toml: ")
    assert [part for part in parts if part not in message] == []


@pytest.mark.parametrize(("table", "key"), KEYS)
def test_no_key_takes_a_table(table: str, key: str) -> None:
    """Every key checks the type of its value."""
    with pytest.raises(ConfigError, match=rf"file: \[{table}\] {key} = \{{\}}: expected (str|int|float|bool), got dict"):
        parse_config(f"[{table}]\n{key} = {{}}", "file")


@pytest.mark.parametrize("text", ["", "# nothing but a comment", "[engine]", "[plugin]\n[hook]\n[model]\n[engine]\n[train]"])
def test_a_file_without_keys_gives_the_defaults(text: str) -> None:
    """An empty file, a comment and empty tables change nothing."""
    assert parse_config(text, "file") == Config()


def test_a_file_changes_only_what_it_names() -> None:
    """Keys in the file are read, other keys keep their defaults, and a whole number is accepted for a float."""
    config = parse_config("[engine]\nbackend = 'torch'\nthreads = 1024\n[train]\nlearning_rate = 1\n[hook]\ndilate = 64", "file")
    assert config.engine == EngineSettings(backend="torch", threads=1024)
    assert config.train == TrainSettings(learning_rate=1)
    assert config.hook.dilate == 64
    assert (config.plugin, config.model) == (Config().plugin, Config().model)


def test_settings_cannot_be_changed() -> None:
    """The tables are frozen, so checked values stay valid."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().engine.batch = 0  # type: ignore[misc]


def test_values_of_the_command_line_are_checked_like_those_of_a_file() -> None:
    """Settings from the command line are checked in the same way, and the message names their origin."""
    check_settings(EngineSettings(backend="torch", batch=64), "--engine")
    with pytest.raises(ConfigError, match=r"^--batch: batch = 65: expected 1 to 64$"):
        check_settings(EngineSettings(batch=65), "--batch:")


@pytest.fixture
def no_user_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Set an empty configuration folder and no environment variable, and return a folder to write to."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(CONFIG_VARIABLE, raising=False)
    return tmp_path


def test_sources_take_precedence_in_order(no_user_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller's file comes before GI_PLUGIN_CONFIG, that before the user's file, that before the defaults."""
    assert load_config() == Config()
    user_config_file().parent.mkdir(parents=True)
    user_config_file().write_text("[engine]\nthreads = 1", encoding="utf-8")
    assert load_config().engine.threads == 1
    (no_user_settings / "variable.toml").write_text("[engine]\nthreads = 2", encoding="utf-8")
    monkeypatch.setenv(CONFIG_VARIABLE, str(no_user_settings / "variable.toml"))
    assert load_config().engine.threads == 2
    (no_user_settings / "named.toml").write_text("[engine]\nthreads = 3", encoding="utf-8")
    assert load_config(no_user_settings / "named.toml").engine.threads == 3
    assert load_config(str(no_user_settings / "named.toml")).engine.threads == 3


def test_a_named_file_must_be_readable(no_user_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing file, a folder and a binary file raise an error that names the file, for both ways to name one."""
    binary = no_user_settings / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    for file in (no_user_settings / "missing.toml", no_user_settings, binary):
        with pytest.raises(ConfigError, match=f"^{file}: cannot be read: "):
            load_config(file)
        monkeypatch.setenv(CONFIG_VARIABLE, str(file))
        with pytest.raises(ConfigError, match=f"^{file}: cannot be read: "):
            load_config()


def test_a_mistake_in_the_users_file_is_named(no_user_settings: Path) -> None:
    """The message also names the user's own plugin.toml."""
    file = user_config_file()
    assert file.is_relative_to(no_user_settings)
    file.parent.mkdir(parents=True)
    file.write_text("[train]\nseed = -1", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_config()
    assert str(caught.value) == f"{file}: [train] seed = -1: expected 0 to 2147483648"


def test_the_cache_folder_is_the_setting_or_the_variable_or_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The first of the three that is given is used; a tilde means the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "users"))
    monkeypatch.delenv(CACHE_VARIABLE, raising=False)
    assert cache_directory(EngineSettings()) == tmp_path / "users" / "gi-plugin"
    monkeypatch.setenv(CACHE_VARIABLE, "~/variable")
    assert cache_directory(EngineSettings()) == tmp_path / "variable"
    assert cache_directory(EngineSettings(cache="~/setting")) == tmp_path / "setting"


def test_the_manifest_equals_the_defaults() -> None:
    """The file plugin.toml holds exactly the default settings."""
    assert load_config(MANIFEST) == Config()


def test_the_manifest_names_every_key() -> None:
    """The file plugin.toml names every key, in the order of the code."""
    data: dict[str, Any] = tomllib.loads(MANIFEST.read_text(encoding="utf-8"))
    assert [(table, key) for table, keys in data.items() for key in keys] == KEYS


def test_the_manifest_explains_every_key() -> None:
    """The line above each key of plugin.toml is a comment."""
    lines = MANIFEST.read_text(encoding="utf-8").splitlines()
    keys = [number for number, line in enumerate(lines) if "=" in line and not line.startswith("#")]
    assert len(keys) == len(KEYS)
    assert not [lines[number] for number in keys if not lines[number - 1].startswith("# ")]
