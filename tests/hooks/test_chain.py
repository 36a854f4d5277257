"""Steps before and after the fill, warm-up, hosts with a project of their own, and plugins with settings of their own."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pluggy
import pytest

import gi_plugin
from gi_plugin.arrays import Array
from gi_plugin.config import Config, EngineSettings, HookSettings
from gi_plugin.hooks.calling.checked import checked_inpaint
from gi_plugin.hooks.loading import adapt, load_plugins
from gi_plugin.hooks.plugin import NAME, plugin_for
from gi_plugin.hooks.spec import add_specs, hookimpl, plugin_manager, specified
from gi_plugin.inpainter import Inpainter
from tests.hooks.conftest import Install
from tests.hooks.pictures import picture


class _Log:
    """Notes the order of the steps."""

    def __init__(self, name: str, calls: list[str]) -> None:
        self.name, self.calls = name, calls

    @hookimpl
    def prepare_input(self, image: Array, mask: Array) -> tuple[Array, Array]:
        self.calls.append(f"prepare {self.name}")
        return image + 1, mask

    @hookimpl
    def inpaint(self, image: Array, mask: Array) -> Array | None:
        self.calls.append(f"inpaint {self.name}")
        return np.where(mask[..., None], np.uint8(100), image) if self.name == "a" else None

    @hookimpl
    def finish(self, filled: Array) -> Array:
        self.calls.append(f"finish {self.name}")
        return filled - 1


def test_steps_are_chained() -> None:
    """Each step gets what the one before returned, `finish` in reverse order; known pixels are those of the original."""
    manager, calls = plugin_manager(), list[str]()
    for name in ("a", "b"):
        manager.register(_Log(name, calls), name=name)
    image, mask = picture()
    result = checked_inpaint(manager, image, mask)
    assert calls == ["prepare b", "prepare a", "inpaint b", "inpaint a", "finish a", "finish b"]
    np.testing.assert_array_equal(result, np.where(mask[..., None], 98, image))


def test_a_host_of_another_project_has_the_whole_ecosystem(install: Install) -> None:
    """With `add_specs` every plugin made for `gi_plugin` answers there: ours, one that is installed, and one that is adapted."""
    install("acme", "from gi_plugin.hooks.spec import hookimpl\n@hookimpl\ndef finish(filled): return filled // 2 * 2")
    manager = pluggy.PluginManager("darkroom")
    add_specs(manager)
    assert load_plugins(manager) == []
    manager.check_pending()
    image, mask = picture()
    image = image // 2 * 2
    np.testing.assert_array_equal(checked_inpaint(manager, image, mask), gi_plugin.inpaint(image, mask) // 2 * 2)
    manager.register(adapt(_Log("a", []), "darkroom"), name="a")
    result = checked_inpaint(manager, image, mask, {"plugin": "a"})
    assert (result[mask] == 99).all()  # the adapted one finishes last
    assert [name for name in specified() if not getattr(manager.hook, name).has_spec()] == []


def test_a_host_keeps_the_hooks_that_it_has_specified_itself() -> None:
    """`add_specs` adds what is missing and leaves the host's own specification."""
    manager = pluggy.PluginManager("darkroom")

    class Own:
        @pluggy.HookspecMarker("darkroom")
        def inpaint(self, image: Array, mask: Array, options: dict[str, Any]) -> None:
            """Fill."""

    manager.add_hookspecs(Own)
    add_specs(manager)
    assert not manager.hook.inpaint.spec.opts["firstresult"]
    assert manager.hook.finish.has_spec()


def test_a_plugin_can_have_settings_of_its_own(engine_cache: str) -> None:
    """`plugin_for` with settings fills as an `Inpainter` with them does, and the plugin of the process is not affected."""
    config = Config(hook=HookSettings(dilate=2), engine=EngineSettings(backend="openvino", precision="fp32", cache=engine_cache))
    manager = pluggy.PluginManager("darkroom")
    add_specs(manager)
    manager.register(plugin_for("darkroom", config), name=NAME)
    image, mask = picture()
    result = checked_inpaint(manager, image, mask, config=config)
    np.testing.assert_array_equal(result, Inpainter(config)(image, mask))
    assert not np.array_equal(result, gi_plugin.inpaint(image, mask))


def test_a_changed_settings_file_is_noticed(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another file in GI_PLUGIN_CONFIG, or another content of it, counts from the next call on."""
    image, mask = picture()
    plain = gi_plugin.inpaint(image, mask)
    file = tmp_path / "plugin.toml"
    file.write_text("[hook]\ndilate = 3\n", encoding="utf-8")
    monkeypatch.setenv("GI_PLUGIN_CONFIG", str(file))
    grown = gi_plugin.inpaint(image, mask)
    np.testing.assert_array_equal(grown, gi_plugin.inpaint(image, mask, dilate=3))
    assert not np.array_equal(grown, plain)


def test_warming_up_opens_every_engine(engine_cache: str) -> None:
    """After `warm_up`, calls with small and thick holes open no engine; after `shutdown`, they open one again."""
    opened: list[int] = []
    config = Config(engine=EngineSettings(backend="openvino", cache=engine_cache))

    def open_engine(settings: Config, window: int) -> Any:
        from gi_plugin.engines import open_engine  # noqa: PLC0415

        opened.append(window)
        return open_engine(settings, window)

    manager = plugin_manager()
    manager.register(plugin_for("gi_plugin", inpainter=Inpainter(config, open_engine)), name=NAME)
    manager.hook.warm_up(shapes=[(480, 640, 3), (200, 300)], options={})
    count = len(opened)
    assert count == len(set(opened)) == 2
    image, mask = np.zeros((300, 300, 3), np.uint8), np.zeros((300, 300), bool)
    for size in (20, 130):
        mask[100 : 100 + size, 100 : 100 + size] = True
        checked_inpaint(manager, image, mask)
    assert len(opened) == count
    manager.hook.shutdown()
    checked_inpaint(manager, image, mask)
    assert len(opened) > count


@pytest.mark.parametrize("options", [{"cancel": threading.Event()}, {"deadline": 1e-6}], ids=["cancelled", "late"])
def test_a_cancelled_call_asks_no_other_plugin(options: dict[str, Any]) -> None:
    """`Cancelled` reaches the host at once."""
    if "cancel" in options:
        options["cancel"].set()
    manager = plugin_manager()
    manager.register(_Log("a", []), name="a")
    manager.register(plugin_for("gi_plugin"), name=NAME)
    with pytest.raises(gi_plugin.Cancelled):
        checked_inpaint(manager, *picture(), options=options)
