"""The commands `config show`, `config init` and `config path`."""

from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given, strategies

from gi_plugin.config import Config, HookSettings, parse_config, written
from tests.gi_plugin.command import Cli
from tests.product import ROOT

KEYS = strategies.text(max_size=9)
VALUES = strategies.recursive(
    strategies.none().flatmap(
        lambda _: strategies.one_of(
            strategies.booleans(),
            strategies.integers(-(2**63), 2**63 - 1),
            strategies.floats(allow_nan=False),
            strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=9),
            strategies.datetimes(),
            strategies.dates(),
        )
    ),
    lambda children: strategies.lists(children, max_size=3) | strategies.dictionaries(KEYS, children, max_size=3),
    max_leaves=5,
)


@given(strategies.dictionaries(KEYS, strategies.dictionaries(KEYS, VALUES, max_size=3), max_size=3), strategies.integers(0, 64))
def test_written_settings_are_read_again(plugins: dict[str, dict[str, object]], dilate: int) -> None:
    """The text of any settings, also of those of plugins, gives the same settings."""
    config = Config(hook=HookSettings(dilate=dilate), plugins=plugins)
    assert parse_config(written(config), "text") == config


def test_the_settings_that_apply_are_shown(cli: Cli) -> None:
    """The output is a plugin.toml with every setting, or JSON, and names its file in a comment."""
    Path("own.toml").write_text("[hook]\ndilate = 3\n[plugins.specks]\nlargest = 1\n", encoding="utf-8")
    shown = cli("config", "show", "--config", "own.toml").out
    assert shown.startswith("# own.toml\n[plugin]\n")
    assert parse_config(shown, "shown") == parse_config(Path("own.toml").read_text(encoding="utf-8"), "own.toml")
    assert json.loads(cli("config", "show", "--config", "own.toml", "--json").out)["hook"]["dilate"] == 3
    assert parse_config(cli("config", "show").out, "shown") == Config()


def test_a_settings_file_is_made_once(cli: Cli) -> None:
    """`init` writes the packaged plugin.toml to the place that `path` names, and a second call does not change it."""
    named = cli("config", "path")
    file = Path(named.out.strip())
    assert (named.code, len(named.lines), file.exists()) == (0, 1, False)
    assert cli("config", "init") == (0, "", [f"wrote {file}"])
    assert file.read_text(encoding="utf-8") == (ROOT / "plugin.toml").read_text(encoding="utf-8")
    assert cli("config", "path") == (0, f"{file}\n", [])
    file.write_text("[hook]\ndilate = 1\n", encoding="utf-8")
    assert cli("config", "init").code == 2
    assert "dilate = 1\n" in cli("config", "show").out
