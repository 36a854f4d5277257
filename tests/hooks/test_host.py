"""The small host: it runs its steps, and a plugin that fails to load does not stop it."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pluggy
import pytest
from PIL import Image

import gi_plugin
from gi_plugin.arrays import Array
from gi_plugin.hooks import host, plugin
from gi_plugin.hooks.host import Host, load_plugins
from gi_plugin.hooks.listing import list_plugins
from gi_plugin.hooks.spec import SPEC_VERSION, hookimpl, plugin_manager
from tests.hooks.conftest import Install
from tests.hooks.pictures import picture

FAILURES = {  # by name of a plugin: its module, and the start of the message
    "needs_a_library": ("import a_library_nobody_has", "ModuleNotFoundError: No module named 'a_library_nobody_has'"),
    "not_python": ("def inpaint(:", "SyntaxError"),
    "gives_up": ("raise SystemExit('no GPU')", "SystemExit: no GPU"),
    "wants_more": (
        """
        from gi_plugin.hooks.spec import hookimpl

        @hookimpl
        def inpaint(image):
            return "half registered"

        @hookimpl
        def inpaint_backends(colour):
            return []
        """,
        "hookimpl definition: inpaint_backends(colour); Argument(s) {'colour'}",
    ),
}


def _answering(value: int) -> pluggy.PluginManager:
    """Create a manager with one plugin. It sets every missing pixel to `value`, or declines if `value` is negative."""

    class Other:
        @hookimpl
        def inpaint(self, image: Array, mask: Array) -> Array | None:
            return np.where(mask[..., None], np.uint8(value), image) if value >= 0 else None

    manager = plugin_manager()
    manager.register(Other())
    return manager


def test_runs_the_installed_plugin() -> None:
    """A host without any setup finds our plugin, fills the hole and reports the time."""
    image, mask = picture()
    report = Host().run(image, mask)
    np.testing.assert_array_equal(report.image, gi_plugin.inpaint(image, mask))
    assert list(report.seconds) == ["inpaint"]
    assert report.seconds["inpaint"] > 0


def test_runs_steps_in_order() -> None:
    """Each step gets the image of the step before and the same mask; the report has the time of every step."""
    image, mask = picture()
    pipeline = Host(_answering(7))
    pipeline.steps["black"] = lambda image, mask: np.where(mask[..., None], image, np.uint8(1))
    pipeline.steps["double"] = lambda image, _: image * 2
    pipeline.steps["mark"] = lambda image, mask: np.where(mask[..., None] & (image == 14), np.uint8(0), image)
    report = pipeline.run(image, mask, ("inpaint", "black", "double", "mark"))
    assert list(report.seconds) == ["inpaint", "black", "double", "mark"]
    assert (report.image[mask] == 0).all()
    assert (report.image[~mask] == 2).all()


def test_an_unknown_step_is_an_error() -> None:
    """It is a KeyError with the name of the step."""
    with pytest.raises(KeyError, match="sharpen"):
        Host(_answering(7)).run(*picture(), steps=("sharpen",))


def test_passes_its_options_to_the_plugins() -> None:
    """Every call gets the host's options; a later change of the caller's mapping has no effect."""
    seen: list[Any] = []

    class Recorder:
        @hookimpl
        def inpaint(self, image: Array, options: dict[str, Any]) -> Array:
            seen.append(options)
            return image

    manager, options = plugin_manager(), {"grain": 3}
    manager.register(Recorder())
    pipeline = Host(manager, options)
    options["grain"] = 4
    pipeline.run(*picture())
    assert [(given["grain"], given["dilate"]) for given in seen] == [(3, 0)]  # the host has grown the hole


@pytest.mark.parametrize("name", FAILURES)
def test_a_plugin_that_fails_to_load_is_skipped(install: Install, name: str) -> None:
    """One warning states the plugin and the reason; other plugins are loaded, and no hook of the failed one remains."""
    text, reason = FAILURES[name]
    install(name, text)
    manager = plugin_manager()
    with pytest.warns(RuntimeWarning) as caught:
        (failure,) = load_plugins(manager)
    assert [str(warning.message) for warning in caught] == [f"plugin not loaded: {failure}"]
    assert str(failure).startswith(f"{name} ({name}_module, package {name}): {reason}")
    assert [registered for registered, _ in manager.list_name_plugin()] == [plugin.NAME, "specks"]
    assert [impl.plugin_name for impl in manager.hook.inpaint.get_hookimpls()] == [plugin.NAME]


def test_the_host_works_without_a_broken_plugin(install: Install) -> None:
    """The host fills an image although one plugin failed to load."""
    install("broken", "raise OSError('no driver')")
    image, mask = picture()
    with pytest.warns(RuntimeWarning, match=r"broken.*no driver"):
        report = Host().run(image, mask)
    np.testing.assert_array_equal(report.image, gi_plugin.inpaint(image, mask))


def test_a_blocked_plugin_is_not_loaded(install: Install) -> None:
    """A blocked plugin is not imported."""
    install("broken", "raise OSError('no driver')")
    manager = plugin_manager()
    manager.set_blocked("broken")
    manager.set_blocked(plugin.NAME)
    assert load_plugins(manager) == []
    with pytest.raises(LookupError, match="no plugin answered"):
        Host(manager).run(*picture())


def test_a_registered_plugin_replaces_an_installed_one() -> None:
    """A plugin that the host registered under the name of an installed plugin is kept."""
    manager, replacement = plugin_manager(), object()
    manager.register(replacement, name=plugin.NAME)
    assert load_plugins(manager) == []
    assert manager.list_name_plugin()[0] == (plugin.NAME, replacement)


@pytest.mark.parametrize(
    "pipeline",
    [lambda: Host(plugin_manager()), lambda: Host(_answering(-1))],
    ids=["no plugin", "a plugin that declines"],
)
def test_no_answer_is_an_error(pipeline: Callable[[], Host]) -> None:
    """If there is no plugin, or all decline, the error names the command that lists plugins."""
    with pytest.raises(LookupError, match=r"no plugin answered: .*gi-plugin plugins"):
        pipeline().run(*picture())


def test_fills_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command line takes three file names, writes the filled picture and prints the time of each step."""
    image, mask = picture()
    files = [str(tmp_path / name) for name in ("image.png", "mask.png", "out.png")]
    Image.fromarray(image).save(files[0])
    Image.fromarray(mask).save(files[1])
    host.main(files)
    np.testing.assert_array_equal(np.asarray(Image.open(files[2])), gi_plugin.inpaint(image, mask))
    assert "inpaint" in capsys.readouterr().out


def test_lists_installed_plugins(install: Install) -> None:
    """The list has every plugin with package, version and hooks, all backends, and broken plugins; it can be written as JSON."""
    install("broken", "raise OSError('no driver')")
    install("another", "from gi_plugin.hooks.spec import hookimpl\n@hookimpl\ndef inpaint_backends(): return [{'plugin': 'another'}]")
    listing = json.loads(json.dumps(list_plugins()))
    assert listing["spec_version"] == SPEC_VERSION
    by_name = {entry["name"]: entry for entry in listing["plugins"]}
    assert by_name.keys() == {"another", "broken", plugin.NAME, "specks"}
    assert by_name["another"] == {"name": "another", "package": "another", "version": "1.2", "hooks": ["inpaint_backends"]}
    assert (by_name[plugin.NAME]["package"], by_name[plugin.NAME]["version"]) == ("gi-plugin", version("gi-plugin"))
    assert by_name["broken"] == {
        "name": "broken", "package": "broken", "version": "1.2", "hooks": [], "broken": "OSError: no driver"
    }  # fmt: skip
    assert {record["plugin"] for record in listing["backends"]} == {"another", plugin.NAME}
    assert listing["failed"] == ["broken (broken_module, package broken): OSError: no driver"]
