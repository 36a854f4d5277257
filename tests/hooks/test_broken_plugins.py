"""Broken plugins: each kind is named, the others work, and the list of plugins shows it as broken."""

from __future__ import annotations

import warnings
from collections.abc import Generator
from typing import Any

import numpy as np
import pytest

import gi_plugin
from gi_plugin.arrays import Array
from gi_plugin.hooks import plugin
from gi_plugin.hooks.calling.checked import checked_inpaint
from gi_plugin.hooks.listing import list_plugins
from gi_plugin.hooks.loading import load_plugins
from gi_plugin.hooks.spec import hookimpl, plugin_manager
from tests.hooks.conftest import Install
from tests.hooks.pictures import picture

HOOK = "from gi_plugin.hooks.spec import hookimpl\nimport numpy as np\n\n@hookimpl\n"
WRAPPER = HOOK.replace("@hookimpl", "@hookimpl(wrapper=True)")
UNLOADED = {  # kind: text of the module, name of the entry point, the object that it names, part of the reason
    "its import fails": ("import a_library_nobody_has", "", "", "No module named 'a_library_nobody_has'"),
    "a misspelt hook": (f"{HOOK}def inpiant(image): ...", "", "", "there is no hook 'inpiant': did you mean 'inpaint'?"),
    "a class": (
        HOOK.replace("@hookimpl", "class Fill:\n    @hookimpl") + "    def inpaint(self, image): ...", "", "Fill", "Fill is a class"
    ),
    "the name of ours": (f"{HOOK}def inpaint(image): ...", plugin.NAME, "", "gi-plugin has a plugin of the same name"),
    "a newer specification": (f"{HOOK}def inpaint(image): ...\nspec_version = 99", "", "", "needs version 99"),
    "an argument too many": (f"{HOOK}def inpaint(image, colour): ...", "", "", "inpaint(image, colour); Argument(s) {'colour'}"),
    "an engine under a name of ours": (
        f"{HOOK}def register_engines(register): register('openvino', print)", "", "", "another backend has this name"
    ),
}  # fmt: skip
WRONG = {  # kind: text of the module, part of the reason
    "it raises an error": (f"{HOOK}def inpaint(image): raise OSError('no licence')", "OSError: no licence"),
    "another shape": (f"{HOOK}def inpaint(image): return image[::2]", "shape (32, 80, 3): expected"),
    "another dtype": (f"{HOOK}def inpaint(image): return image / 255", "an array of float64"),
    "no array": (f"{HOOK}def inpaint(image): return 'done'", "the result is a str"),
    "other known pixels": (f"{HOOK}def inpaint(image): return image ^ 1", "changes 14784 known values"),
    "a wrapper that changes known pixels": (
        f"{WRAPPER}def inpaint(image):\n    return (yield) ^ 1", "changes 14784 known values"
    ),
    "a wrapper that raises an error": (
        f"{WRAPPER}def inpaint(image):\n    yield\n    raise OSError('no licence')", "no licence"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", UNLOADED)
def test_a_plugin_that_cannot_be_loaded_is_named(install: Install, kind: str) -> None:
    """A warning and the list name package and reason, ours is loaded and fills, and the list shows the plugin as broken."""
    text, point, attribute, reason = UNLOADED[kind]
    install("acme", text, point, attribute)
    manager = plugin_manager()
    with pytest.warns(RuntimeWarning, match="plugin not loaded: .*package acme"):
        (failure,) = load_plugins(manager)
    assert (failure.name, failure.package) == (point or "acme", "acme")
    assert reason in failure.reason
    assert manager.get_plugin(plugin.NAME) is plugin
    image, mask = picture()
    np.testing.assert_array_equal(checked_inpaint(manager, image, mask), gi_plugin.inpaint(image, mask))
    (broken,) = (entry for entry in list_plugins()["plugins"] if "broken" in entry)
    assert (broken["package"], broken["broken"]) == ("acme", failure.reason)


@pytest.mark.parametrize("kind", WRONG)
def test_a_plugin_with_wrong_results_is_named(install: Install, kind: str) -> None:
    """Its name and the reason reach `inpaint_failed`, the next plugin answers, and the list shows the plugin as broken when it is tried."""
    text, reason = WRONG[kind]
    install("acme", text)
    manager, failures = plugin_manager(), []

    class Reporter:
        @hookimpl
        def inpaint_failed(self, plugin: str, error: Exception) -> None:
            failures.append((plugin, f"{type(error).__name__}: {error}"))

    manager.register(Reporter())
    assert load_plugins(manager) == []
    image, mask = picture()
    np.testing.assert_array_equal(checked_inpaint(manager, image, mask), gi_plugin.inpaint(image, mask))
    ((name, text),) = failures
    assert name == "acme"
    assert reason in text
    (broken,) = (entry for entry in list_plugins(check=True)["plugins"] if "broken" in entry)
    assert broken["name"] == "acme"


@pytest.mark.parametrize("kind", WRONG)
def test_the_error_names_the_plugin_if_nobody_else_answers(install: Install, kind: str) -> None:
    """Without another plugin, the error names the broken one."""
    install("acme", WRONG[kind][0])
    manager = plugin_manager()
    manager.set_blocked(plugin.NAME)
    manager.register(_Constant())
    load_plugins(manager)
    if "wrapper" in kind:
        assert (checked_inpaint(manager, *picture()) != picture()[0]).any()  # the wrapper is left out
        return
    manager.unregister(name=manager.get_name(next(other for other in manager.get_plugins() if isinstance(other, _Constant))))
    with pytest.raises(gi_plugin.PluginError, match="plugin acme: ") as caught:
        checked_inpaint(manager, *picture())
    assert caught.value.plugin == "acme"


class _Marking:
    """A wrapper that relies on the contract: it marks the filled pixels of what the others return."""

    @hookimpl(wrapper=True)
    def inpaint(self, mask: Array) -> Generator[None, Array, Array]:
        result = yield
        result[mask, 0] = 5
        return result


@pytest.mark.parametrize("kind", ["it raises an error", "another shape", "no array"])
def test_a_wrapper_is_not_blamed_for_the_plugin_inside(install: Install, kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """If a wrapper stumbles over a wrong result, the plugin that returned it is named and left out, and the wrapper acts."""
    text, reason = WRONG[kind]
    install("acme", text)
    manager = plugin_manager()
    manager.register(_Constant(), name="constant")
    manager.register(_Marking(), name="marking")
    manager.set_blocked(plugin.NAME)
    assert load_plugins(manager) == []
    image, mask = picture()
    filled = checked_inpaint(manager, image, mask)
    assert {tuple(pixel) for pixel in filled[mask].tolist()} == {(5, 9, 9)}
    ((_, _, message),) = caplog.record_tuples
    assert message.startswith("plugin acme: ")
    assert reason in message


def test_every_broken_plugin_is_in_the_log(install: Install, caplog: pytest.LogCaptureFixture) -> None:
    """If several plugins break before one answers, each is named."""
    for number, kind in enumerate(("it raises an error", "another dtype")):
        install(f"acme{number}", WRONG[kind][0])
    manager = plugin_manager()
    load_plugins(manager)
    checked_inpaint(manager, *picture())
    assert [message.split(":")[0] for _, _, message in caplog.record_tuples] == ["plugin acme1", "plugin acme0"]


class _Constant:
    """Fills with one level."""

    @hookimpl
    def inpaint(self, image: Array, mask: Array) -> Array:
        return np.where(mask[..., None], np.uint8(9), image)


def test_two_strangers_of_one_name(install: Install) -> None:
    """That of the first package in alphabetical order is loaded, the second is named with the package of the first."""
    for package in ("emca", "acme"):
        install(package, f"{HOOK}def inpaint(image): ...", "fill")
    manager = plugin_manager()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        (failure,) = load_plugins(manager)
    assert manager.has_plugin("fill")
    assert (failure.package, failure.reason.split()[0]) == ("emca", "acme")


CHAINED: dict[str, Any] = {  # hook: a broken implementation, and part of the error
    "prepare_input": (lambda image, mask: (image[::2], mask), "expected an image"),
    "finish": (lambda filled: filled ^ 1, "changes"),
}


@pytest.mark.parametrize("hook", CHAINED)
def test_a_broken_link_of_a_chain_is_left_out(hook: str) -> None:
    """A broken `prepare_input` or `finish` is named, and the image is filled without it."""
    function, reason = CHAINED[hook]
    manager, failures = plugin_manager(), []

    class Reporter:
        @hookimpl
        def inpaint_failed(self, plugin: str, error: Exception) -> None:
            failures.append((plugin, str(error)))

    for broken, name in ((type("Broken", (), {hook: staticmethod(hookimpl(function))})(), "acme"), (Reporter(), None), (_Constant(), None)):
        manager.register(broken, name=name)
    image, mask = picture()
    result = checked_inpaint(manager, image, mask)
    np.testing.assert_array_equal(result, np.where(mask[..., None], 9, image))
    ((name, text),) = failures
    assert name == "acme"
    assert reason in text
