"""Our plugin in real plugin managers: our own, and those of other projects."""

from __future__ import annotations

import tomllib
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from types import MappingProxyType
from typing import Any

import numpy as np
import pluggy
import pytest

import gi_plugin
from gi_plugin.arrays import Array
from gi_plugin.bench import windows
from gi_plugin.config import BACKENDS, Config, EngineSettings
from gi_plugin.engines import BACKENDS as REGISTERED, BackendStatus
from gi_plugin.hooks import plugin, spec, specks
from gi_plugin.hooks.spec import hookimpl, plugin_manager
from gi_plugin.shared import close_default_inpainter
from tests import product
from tests.hooks.pictures import picture

IMAGE, MASK = picture()
OTHER = 7  # pixel value that the other plugin writes
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
    """Create the manager of a host that does not know gi_plugin and has its own specification."""
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
    """The manager finds seven hooks in the plugin, and all are specified."""
    manager.check_pending()
    found = {caller.name for caller in manager.get_hookcallers(plugin) or []}
    assert found == {"inpaint", "inpaint_backends", "inpaint_sequence", "plugin_options", "register_engines", "shutdown", "warm_up"}
    assert plugin.spec_version == spec.SPEC_VERSION


def test_manifest_and_entry_point_agree_with_the_code() -> None:
    """plugin.toml and pyproject.toml have the names of the constants that hosts use."""
    manifest = tomllib.loads((product.ROOT / "plugin.toml").read_text(encoding="utf-8"))
    assert manifest["plugin"]["name"] == plugin.NAME
    assert (manifest["plugin"]["project"], manifest["plugin"]["group"]) == (spec.PROJECT, spec.GROUP)
    project = tomllib.loads((product.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["entry-points"][spec.GROUP] == {plugin.NAME: plugin.__name__, specks.NAME: f"{specks.__name__}:plugin"}


def test_the_hook_fills_only_the_hole(manager: pluggy.PluginManager) -> None:
    """The result is a new array with equal known pixels and other pixels in the hole."""
    image, mask = picture()
    before = image.copy()
    result = manager.hook.inpaint(image=image, mask=mask, options={})
    assert (result.shape, result.dtype) == (image.shape, image.dtype)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(result[~mask], image[~mask])
    assert not (result[mask] == image[mask]).all(axis=1).any()


def test_options_reach_the_network(manager: pluggy.PluginManager) -> None:
    """The hook returns the result of `gi_plugin.inpaint` with the same options, and does not change the caller's mapping."""
    image, mask = picture()
    options = MappingProxyType({"plugin": plugin.NAME, "channel_axis": 0, "dilate": 2})
    result = manager.hook.inpaint(image=np.moveaxis(image, -1, 0), mask=mask, options=options)
    expected = gi_plugin.inpaint(image, mask, dilate=2)
    np.testing.assert_array_equal(result, np.moveaxis(expected, -1, 0))


@pytest.mark.parametrize(
    "options", [{"detail": "network"}, {"seed": 4}, {"sources": np.indices(MASK.shape)[1] < 40}], ids=["detail", "seed", "sources"]
)
def test_hosts_choose_where_pixels_come_from(manager: pluggy.PluginManager, options: dict[str, Any]) -> None:
    """Detail, seed and sources are options of the hook, and each of them changes the result."""
    result = manager.hook.inpaint(image=IMAGE, mask=MASK, options=options)
    np.testing.assert_array_equal(result, gi_plugin.inpaint(IMAGE, MASK, **options))
    assert not np.array_equal(result, gi_plugin.inpaint(IMAGE, MASK))


def test_options_may_be_none(manager: pluggy.PluginManager) -> None:
    """`options=None` means the defaults."""
    image, mask = picture()
    results = [manager.hook.inpaint(image=image, mask=mask, options=None), manager.hook.inpaint(image=image, mask=mask, options={})]
    np.testing.assert_array_equal(*results)


def test_a_call_without_options_is_an_error(manager: pluggy.PluginManager) -> None:
    """A host that forgets the argument `options` gets an error that names it."""
    with pytest.warns(UserWarning, match="'options'"), pytest.raises(pluggy.HookCallError, match="'options'"):
        manager.hook.inpaint(image=IMAGE, mask=MASK)


def test_declines_a_call_for_another_plugin(manager: pluggy.PluginManager) -> None:
    """The result is None if there is no other plugin, and otherwise that of the next plugin."""
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
    """The order of registration and the marks `tryfirst` and `trylast` decide which plugin answers."""
    manager = plugin_manager()
    for registered in (plugin, _other(**marks)) if ours_first else (_other(**marks), plugin):
        manager.register(registered)
    result = manager.hook.inpaint(image=IMAGE, mask=MASK, options={})
    assert bool((result == OTHER).all()) != ours_answers


def test_a_hook_wrapper_runs_around_ours(manager: pluggy.PluginManager) -> None:
    """A hook wrapper that names only the argument it needs sees the call and can change the result."""
    events = []

    class Wrapper:
        @hookimpl(wrapper=True)
        def inpaint(self, mask: Array) -> Generator[None, Array, Array]:
            events.append(f"{mask.sum()} missing")
            result = yield
            events.append(f"filled {result.shape}")
            return result[::-1]

    image, mask = picture()
    plain = manager.hook.inpaint(image=image, mask=mask, options={})
    manager.register(Wrapper())
    wrapped = manager.hook.inpaint(image=image, mask=mask, options={})
    assert events == ["192 missing", "filled (64, 80, 3)"]
    np.testing.assert_array_equal(wrapped, plain[::-1])


def test_a_wrapper_can_answer_in_place_of_our_error(manager: pluggy.PluginManager) -> None:
    """An error passes through hook wrappers, and a wrapper can return a result in its place."""

    class Fallback:
        @hookimpl(wrapper=True)
        def inpaint(self, image: Array) -> Generator[None, Array, Array]:
            try:
                return (yield)
            except gi_plugin.ImageError:
                return image

    manager.register(Fallback())
    assert manager.hook.inpaint(image=IMAGE, mask=np.ones_like(MASK), options={}) is IMAGE


ERRORS = [  # changed arguments, class of the error, part of its message
    ({"image": IMAGE.tolist()}, gi_plugin.ImageError, "list"),
    ({"image": IMAGE[:0]}, gi_plugin.ImageError, "no pixel"),
    ({"image": IMAGE.astype(np.int64)}, gi_plugin.ImageError, "int64"),
    ({"image": np.where(MASK, 0.5, np.nan)}, gi_plugin.ImageError, "NaN"),
    ({"mask": MASK[:, 1:]}, gi_plugin.ImageError, r"\(64, 79\)"),
    ({"mask": ~(MASK & False)}, gi_plugin.ImageError, "every pixel"),
    ({"options": {"dilate": 100}}, gi_plugin.ImageError, "dilate"),
    ({"options": {"dilte": 1}}, gi_plugin.ConfigError, "dilte"),
    ({"options": {"precision": "fp32"}}, gi_plugin.ConfigError, r"precision.*plugin_for\(project, config\)"),
    ({"options": {"detail": "paint"}}, gi_plugin.ConfigError, "'transfer' or 'network'"),
    ({"options": {"seed": -1}}, gi_plugin.ConfigError, "seed = -1"),
    ({"options": {"sources": MASK[:, 1:]}}, gi_plugin.ImageError, r"sources: mask has shape \(64, 79\)"),
]


@pytest.mark.parametrize(("change", "kind", "text"), ERRORS)
def test_errors_reach_the_host(manager: pluggy.PluginManager, change: dict[str, Any], kind: type[Exception], text: str) -> None:
    """The host gets our own error, not one of pluggy; errors about images are also ValueErrors."""
    with pytest.raises(kind, match=text) as caught:
        manager.hook.inpaint(**{"image": IMAGE, "mask": MASK, "options": {}, **change})
    assert isinstance(caught.value, gi_plugin.GiError)
    assert isinstance(caught.value, ValueError) == (kind is gi_plugin.ImageError)


def test_backends_of_every_plugin_are_listed(manager: pluggy.PluginManager) -> None:
    """The hook returns one list per plugin; ours has one record per backend in order of preference, with OpenVINO available."""

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


@pytest.fixture
def asked() -> Iterator[list[EngineSettings]]:
    """The settings with which a registered backend was asked for its status."""
    settings: list[EngineSettings] = []

    def status(given: EngineSettings) -> BackendStatus:
        settings.append(given)
        return BackendStatus("probe", available=False, reason="a test")

    REGISTERED.register("probe", lambda _config, _window: pytest.fail("opened"), status)
    yield settings
    REGISTERED.remove("probe")


def test_backends_are_judged_by_the_settings(asked: list[EngineSettings]) -> None:
    """A copy of the plugin with settings of its own, and the benchmark, ask each backend with them."""
    config = Config(engine=EngineSettings(threads=3))
    assert "probe" in [record["backend"] for record in plugin.plugin_for(PROJECT, config).inpaint_backends()]
    assert list(windows.candidates(config))
    assert asked == [config.engine, config.engine]


@pytest.mark.parametrize("with_backends", [True, False])
def test_serves_another_project(with_backends: bool) -> None:  # a table
    """In a host's own project the plugin has the same name and results, and only the hooks of the host's specification."""
    manager, (image, mask) = _foreign_manager(with_backends=with_backends), picture()
    assert manager.register(plugin.plugin_for(PROJECT)) == plugin.NAME
    manager.check_pending()
    result = manager.hook.inpaint(image=image, mask=mask, options={})
    np.testing.assert_array_equal(result, gi_plugin.inpaint(image, mask))
    assert manager.hook.inpaint(image=image, mask=mask, options={"plugin": "another"}) is None
    if with_backends:
        assert manager.hook.inpaint_backends() == [plugin.inpaint_backends()]


def test_another_project_can_leave_ours_out_of_a_call() -> None:
    """The object of `plugin_for` is hashable, so that a host can exclude it from a call."""
    manager, ours = _foreign_manager(with_backends=True), plugin.plugin_for(PROJECT)
    manager.register(ours)
    assert manager.get_plugins() == {ours}
    assert manager.subset_hook_caller("inpaint_backends", [ours])() == []
    assert manager.unregister(ours) is ours
    assert manager.hook.inpaint_backends() == []


def test_threads_get_their_own_results(manager: pluggy.PluginManager) -> None:
    """Eight simultaneous calls, the first of which opens the engine, return the same results as single calls."""
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
