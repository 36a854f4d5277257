"""Tests of the plugin; they need neither a host nor a network."""

from __future__ import annotations

import gi_example
import numpy as np
import pytest

from gi_plugin.config import Config, EngineSettings, HookSettings
from gi_plugin.hooks.host import checked_inpaint
from gi_plugin.hooks.plugin import plugin_for
from gi_plugin.hooks.spec import plugin_manager

CONFIG = Config(engine=EngineSettings(backend="example-mean"), hook=HookSettings(detail="network"))
IMAGE = np.full((64, 64, 3), 90, np.uint8)
MASK = np.zeros((64, 64), bool)
MASK[20:40, 20:40] = True


@pytest.mark.parametrize("sigma", [0.0, 5.0])
def test_the_engine_fills_and_the_wrapper_adds_grain(sigma: float) -> None:
    """The mean colour is filled in, with grain of the given strength; known pixels stay."""
    manager = plugin_manager()
    manager.register(gi_example, name=gi_example.NAME)
    manager.register(plugin_for("gi_plugin", CONFIG), name="contextual-attention")
    manager.check_pending()
    filled = checked_inpaint(manager, IMAGE, MASK, {gi_example.NAME: {"sigma": sigma}}, config=CONFIG)
    assert (filled[~MASK] == 90).all()
    assert abs(filled[MASK].mean() - 90) < 1
    assert abs(filled[MASK].std() - sigma) < 0.5
