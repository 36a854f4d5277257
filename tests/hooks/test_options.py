"""Options of plugins: declared, set in plugin.toml or by the caller, checked, and passed to each plugin under its name."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import numpy as np
import pluggy
import pytest

import gi_plugin
from gi_plugin.arrays import Array
from gi_plugin.config import Config, parse_config
from gi_plugin.hooks import plugin
from gi_plugin.hooks.calling.checked import checked_inpaint
from gi_plugin.hooks.spec import Option, hookimpl, plugin_manager
from tests.hooks.pictures import picture

IMAGE, MASK = picture()
SETTINGS = parse_config("[plugins.grain]\nsigma = 4\n", "file")


class _Grain:
    """A wrapper with two options; it notes what it gets."""

    def __init__(self) -> None:
        self.seen: list[Any] = []

    @hookimpl
    def plugin_options(self) -> list[Option]:
        return [Option("sigma", 2.0, "strength"), Option("seed", 0)]

    @hookimpl(wrapper=True)
    def inpaint(self, options: Mapping[str, Any]) -> Generator[None, Array, Array]:
        self.seen.append(dict(options["grain"]))
        return (yield)


@pytest.fixture
def grain() -> _Grain:
    return _Grain()


@pytest.fixture
def manager(grain: _Grain) -> pluggy.PluginManager:
    manager = plugin_manager()
    manager.register(plugin, name=plugin.NAME)
    manager.register(grain, name="grain")
    return manager


@pytest.mark.parametrize(
    ("options", "config", "expected"),
    [
        ({}, Config(), {"sigma": 2.0, "seed": 0}),
        ({}, SETTINGS, {"sigma": 4, "seed": 0}),
        ({"grain": {"sigma": 1.5}}, SETTINGS, {"sigma": 1.5, "seed": 0}),
        ({"seed": 3}, SETTINGS, {"sigma": 4, "seed": 3}),  # stands alone: ours has such an option, too
        ({"seed": 3, "grain": {"seed": 5}}, Config(), {"sigma": 2.0, "seed": 5}),
        ({"plugin": plugin.NAME, "sigma": 1}, Config(), {"sigma": 1, "seed": 0}),  # a wrapper runs around the plugin that was chosen
    ],
)
def test_a_plugin_gets_its_own_options(
    manager: pluggy.PluginManager, grain: _Grain, options: dict[str, Any], config: Config, expected: dict[str, Any]
) -> None:  # a table
    """Defaults, then the settings, then the options of the call, complete and under the plugin's name; ours fills as asked."""
    before = dict(options)
    result = checked_inpaint(manager, IMAGE, MASK, options, config=config)
    assert grain.seen == [expected]
    assert options == before
    np.testing.assert_array_equal(result, gi_plugin.inpaint(IMAGE, MASK, seed=options.get("seed", 0)))


@pytest.mark.parametrize(
    ("options", "text", "message"),
    [
        ({"grain": {"sigmas": 2}}, "", "options of plugin grain: unknown option 'sigmas': did you mean 'sigma'"),
        ({"grain": {"sigma": "2"}}, "", "sigma = '2': expected float, got str"),
        ({"grain": 3}, "", "options of plugin grain: 3: expected a mapping"),
        ({"grein": {"sigma": 2}}, "", "'grein': there is no such plugin with options; did you mean 'grain'"),
        ({"precision": "int8"}, "", r"'precision': .* this is a setting, not an option; .*plugin_for\(project, config\)"),
        ({"sigm": 2}, "", "unknown option 'sigm': did you mean 'sigma'"),
        ({}, "[plugins.grain]\nsigma = true", r"\[plugins.grain\] sigma = True: expected float, got bool"),
        ({"plugin": "nobody"}, "", "there is no plugin 'nobody' with the hook inpaint: expected one of contextual-attention"),
    ],
)
def test_a_wrong_option_is_named(manager: pluggy.PluginManager, options: dict[str, Any], text: str, message: str) -> None:
    """The message says whose option it is, and names the nearest one."""
    with pytest.raises(gi_plugin.ConfigError, match=message):
        checked_inpaint(manager, IMAGE, MASK, options, config=parse_config(text, "file"))


def test_a_plugin_of_version_1_gets_what_the_caller_gave(manager: pluggy.PluginManager) -> None:
    """A plugin that declares no options still gets unknown ones, and ours does not refuse them."""
    seen = []

    class Old:
        @hookimpl(wrapper=True)
        def inpaint(self, options: Mapping[str, Any]) -> Generator[None, Array, Array]:
            seen.append(options["colour"])
            return (yield)

    manager.register(Old(), name="old")
    np.testing.assert_array_equal(checked_inpaint(manager, IMAGE, MASK, {"colour": "red"}), gi_plugin.inpaint(IMAGE, MASK))
    assert seen == ["red"]


def test_without_a_checking_host_ours_ignores_the_tables_of_others(manager: pluggy.PluginManager) -> None:
    """A mapping under another name belongs to another plugin; our own may also stand under ours."""
    manager.unregister(name="grain")
    results = [
        manager.hook.inpaint(image=IMAGE, mask=MASK, options=options)
        for options in ({"seed": 4}, {plugin.NAME: {"seed": 4}, "grain": {"sigma": 2}})
    ]
    np.testing.assert_array_equal(*results)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "float32"])
def test_plugins_get_a_bool_mask_that_is_grown(dtype: str) -> None:
    """Whatever the caller's mask is, plugins get bool HxW, grown by `dilate` once."""
    seen = []

    class Noting:
        @hookimpl
        def inpaint(self, image: Array, mask: Array) -> Array:
            seen.append(mask)
            return image.copy()

    manager = plugin_manager()
    manager.register(Noting())
    checked_inpaint(manager, IMAGE, MASK.astype(dtype)[..., None], {"dilate": 1})
    (mask,) = seen
    rows, columns = np.nonzero(MASK)
    expected = np.zeros_like(MASK)
    expected[rows.min() - 1 : rows.max() + 2, columns.min() - 1 : columns.max() + 2] = True
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, expected)
