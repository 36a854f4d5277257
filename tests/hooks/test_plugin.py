"""Our plugin in real plugin managers: ours, and those of other projects."""

from __future__ import annotations

import tomllib
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import MappingProxyType
from typing import Any

import numpy as np
import pluggy
import pytest

import gi_plugin
from gi_plugin.arrays import Array
from gi_plugin.config import BACKENDS
from gi_plugin.hooks import plugin, spec
from gi_plugin.hooks.spec import hookimpl, plugin_manager
from gi_plugin.inpainter import close_default_inpainter
from tests import product
from tests.hooks.pictures import picture

IMAGE, MASK = picture()
OTHER = 7  # what the other plugin fills a picture with
PROJECT = "someone_elses_project"


@pytest.fixture
def manager() -> pluggy.PluginManager:
    manager = plugin_manager()
    manager.register(plugin, name=plugin.NAME)
    return manager


def _other(*, tryfirst: bool = False, trylast: bool = False) -> object:
    class Other:
        @hookimpl(tryfirst=tryfirst, trylast=trylast)
        def inpaint(self, image: Array) -> Array:
            return np.full_like(image, OTHER)

    return Other()


def _foreign_manager(*, with_backends: bool) -> pluggy.PluginManager:
    """The manager of a host that never heard of gi_plugin, with hooks of its own."""
    hookspec = pluggy.HookspecMarker(PROJECT)

    class Hooks:
        @hookspec(firstresult=True)
        def inpaint(self, image: Array, mask: Array, options: dict[str, Any]) -> None:
            """Fill a hole."""

    class MoreHooks(Hooks):
        @hookspec
        def inpaint_backends(self) -> None:
            """List backends."""

    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(MoreHooks if with_backends else Hooks)
    return manager


def test_every_hook_of_ours_is_in_the_specification(manager: pluggy.PluginManager) -> None:
    """A manager finds two hooks in the plugin and knows both."""
    manager.check_pending()
    assert {caller.name for caller in manager.get_hookcallers(plugin) or []} == {"inpaint", "inpaint_backends"}
    assert plugin.spec_version == spec.SPEC_VERSION


def test_manifest_and_entry_point_name_what_the_code_names() -> None:
    """plugin.toml and pyproject.toml agree with the constants that hosts meet."""
    manifest = tomllib.loads((product.ROOT / "plugin.toml").read_text(encoding="utf-8"))
    assert manifest["plugin"]["name"] == plugin.NAME
    assert (manifest["plugin"]["project"], manifest["plugin"]["group"]) == (spec.PROJECT, spec.GROUP)
    project = tomllib.loads((product.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][spec.GROUP] == {plugin.NAME: plugin.__name__}


def test_the_hook_fills_the_hole_and_nothing_else(manager: pluggy.PluginManager) -> None:
    """A new array, known pixels as they were, and the white of the hole gone."""
    image, mask = picture()
    before = image.copy()
    result = manager.hook.inpaint(image=image, mask=mask, options={})
    assert (result.shape, result.dtype) == (image.shape, image.dtype)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(result[~mask], image[~mask])
    assert not (result[mask] == image[mask]).all(axis=1).any()


def test_options_reach_the_network(manager: pluggy.PluginManager) -> None:
    """The hook does what `gi_plugin.inpaint` does with the same options, and leaves the caller's mapping as it was."""
    image, mask = picture()
    options = MappingProxyType({"plugin": plugin.NAME, "channel_axis": 0, "dilate": 2})
    result = manager.hook.inpaint(image=np.moveaxis(image, -1, 0), mask=mask, options=options)
    expected = gi_plugin.inpaint(image, mask, dilate=2)
    np.testing.assert_array_equal(result, np.moveaxis(expected, -1, 0))


def test_no_options_are_empty_options(manager: pluggy.PluginManager) -> None:
    """A host that passes None gets the defaults."""
    image, mask = picture()
    results = [manager.hook.inpaint(image=image, mask=mask, options=None), manager.hook.inpaint(image=image, mask=mask, options={})]
    np.testing.assert_array_equal(*results)


def test_a_call_without_the_argument_names_it(manager: pluggy.PluginManager) -> None:
    """An implementation gets what the host passes, so a host that forgets `options` is told so."""
    with pytest.warns(UserWarning, match="'options'"), pytest.raises(pluggy.HookCallError, match="'options'"):
        manager.hook.inpaint(image=IMAGE, mask=MASK)


def test_declines_a_call_for_another_plugin(manager: pluggy.PluginManager) -> None:
    """None if no one else is there, and the next plugin's answer if there is one."""
    call = {"image": IMAGE, "mask": MASK, "options": {"plugin": "another"}}
    assert manager.hook.inpaint(**call) is None
    manager.register(_other(trylast=True))
    assert (manager.hook.inpaint(**call) == OTHER).all()


@pytest.mark.parametrize(
    ("marks", "ours_first", "ours_answers"),
    [
        ({}, True, False),  # the plugin registered last is asked first
        ({}, False, True),
        ({"trylast": True}, True, True),
        ({"tryfirst": True}, False, False),
    ],
)
def test_the_first_plugin_asked_answers(marks: dict[str, bool], ours_first: bool, ours_answers: bool) -> None:  # a table
    """Registration order and the other plugin's wish decide, as between any two plugins."""
    manager = plugin_manager()
    for each in (plugin, _other(**marks)) if ours_first else (_other(**marks), plugin):
        manager.register(each)
    result = manager.hook.inpaint(image=IMAGE, mask=MASK, options={})
    assert bool((result == OTHER).all()) != ours_answers


def test_a_wrapper_stands_around_ours(manager: pluggy.PluginManager) -> None:
    """A host's wrapper, naming only the argument it needs, sees the call before and the result after."""
    story = []

    class Wrapper:
        @hookimpl(wrapper=True)
        def inpaint(self, mask: Array) -> Generator[None, Array, Array]:
            story.append(f"{mask.sum()} missing")
            result = yield
            story.append(f"filled {result.shape}")
            return result[::-1]

    image, mask = picture()
    plain = manager.hook.inpaint(image=image, mask=mask, options={})
    manager.register(Wrapper())
    wrapped = manager.hook.inpaint(image=image, mask=mask, options={})
    assert story == ["192 missing", "filled (64, 80, 3)"]
    np.testing.assert_array_equal(wrapped, plain[::-1])


def test_a_wrapper_can_answer_in_place_of_our_error(manager: pluggy.PluginManager) -> None:
    """An error passes through the wrappers, which may turn it into a result."""

    class Fallback:
        @hookimpl(wrapper=True)
        def inpaint(self, image: Array) -> Generator[None, Array, Array]:
            try:
                return (yield)
            except gi_plugin.ImageError:
                return image

    manager.register(Fallback())
    assert manager.hook.inpaint(image=IMAGE, mask=np.ones_like(MASK), options={}) is IMAGE


ERRORS = [  # what the host passes, class of the error, a word of its text
    ({"image": IMAGE.tolist()}, gi_plugin.ImageError, "list"),
    ({"image": IMAGE[:0]}, gi_plugin.ImageError, "no pixel"),
    ({"image": IMAGE.astype(np.int64)}, gi_plugin.ImageError, "int64"),
    ({"image": np.where(MASK, 0.5, np.nan)}, gi_plugin.ImageError, "NaN"),
    ({"mask": MASK[:, 1:]}, gi_plugin.ImageError, r"\(64, 79\)"),
    ({"mask": ~(MASK & False)}, gi_plugin.ImageError, "every pixel"),
    ({"options": {"dilate": 100}}, gi_plugin.ImageError, "dilate"),
    ({"options": {"dilte": 1}}, gi_plugin.ConfigError, "dilte"),
]


@pytest.mark.parametrize(("change", "kind", "text"), ERRORS)
def test_errors_reach_the_host(manager: pluggy.PluginManager, change: dict[str, Any], kind: type[Exception], text: str) -> None:
    """The host gets our error itself, not one of pluggy; what is wrong with a picture is a ValueError too."""
    with pytest.raises(kind, match=text) as caught:
        manager.hook.inpaint(**{"image": IMAGE, "mask": MASK, "options": {}, **change})
    assert isinstance(caught.value, gi_plugin.GiError)
    assert isinstance(caught.value, ValueError) == (kind is gi_plugin.ImageError)


def test_backends_of_every_plugin_are_listed(manager: pluggy.PluginManager) -> None:
    """One list per plugin; ours has a record per backend in order of preference, and OpenVINO runs here."""

    class Other:
        @hookimpl
        def inpaint_backends(self) -> list[dict[str, Any]]:
            return [{"plugin": "other"}]

    manager.register(Other())
    others, ours = manager.hook.inpaint_backends()
    assert others == [{"plugin": "other"}]
    assert [(record["plugin"], record["backend"]) for record in ours] == [(plugin.NAME, backend) for backend in BACKENDS]
    assert [record["available"] for record in ours if record["backend"] == "openvino"] == [True]
    assert all(isinstance(record["reason"], str) and record["reason"] for record in ours)


@pytest.mark.parametrize("with_backends", [True, False])
def test_serves_another_project(with_backends: bool) -> None:  # a table
    """In a host's own project the plugin answers like ours, by its name, with the hooks that the host has."""
    manager, (image, mask) = _foreign_manager(with_backends=with_backends), picture()
    assert manager.register(plugin.plugin_for(PROJECT)) == plugin.NAME
    manager.check_pending()
    result = manager.hook.inpaint(image=image, mask=mask, options={})
    np.testing.assert_array_equal(result, gi_plugin.inpaint(image, mask))
    assert manager.hook.inpaint(image=image, mask=mask, options={"plugin": "another"}) is None
    if with_backends:
        assert manager.hook.inpaint_backends() == [plugin.inpaint_backends()]


def test_another_project_can_leave_ours_out_of_a_call() -> None:
    """The object that `plugin_for` made stands in sets of plugins, as the one that a call leaves out."""
    manager, ours = _foreign_manager(with_backends=True), plugin.plugin_for(PROJECT)
    manager.register(ours)
    assert manager.get_plugins() == {ours}
    assert manager.subset_hook_caller("inpaint_backends", [ours])() == []
    assert manager.unregister(ours) is ours
    assert manager.hook.inpaint_backends() == []


def test_threads_get_their_own_results(manager: pluggy.PluginManager) -> None:
    """Eight calls at once, of which the first opens the engine, give what each gives alone."""
    close_default_inpainter()
    barrier = Barrier(8)

    def call(seed: int) -> Array:
        image, mask = picture(seed)
        barrier.wait()
        result: Array = manager.hook.inpaint(image=image, mask=mask, options={})
        return result

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(call, range(8)))
    for seed, result in enumerate(together):
        image, mask = picture(seed)
        np.testing.assert_array_equal(result, manager.hook.inpaint(image=image, mask=mask, options={}))
