"""The OpenVINO core that the whole process shares."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

CONVERTER = "openvino.tools.ovc"  # half of the time that the import of `openvino` takes, and nobody here needs it
HIDDEN: Any = None  # a module that is this in `sys.modules` cannot be imported

sys.modules.setdefault("openvino_telemetry", HIDDEN)  # else OpenVINO reports each import to Google Analytics
_is_new = "openvino" not in sys.modules
if _is_new:
    sys.modules[CONVERTER] = HIDDEN

import openvino  # noqa: E402


def _convert_model(*arguments: Any, **keywords: Any) -> openvino.Model:
    """Import OpenVINO's function of this name when somebody else in the process calls it."""
    openvino.convert_model = import_module(CONVERTER).convert_model
    return openvino.convert_model(*arguments, **keywords)


if _is_new:
    del sys.modules[CONVERTER]
    openvino.convert_model = _convert_model
OPENVINO_VERSION = str(openvino.__version__)

# One core, never released: a core that loads its CPU plugin installs an alternate signal stack in the thread (large, for AVX-512) and
# removes it when the core is destroyed, even if another core has installed its own since. The next Ctrl-C would then crash the process.
CORE = openvino.Core()

# The first access to a tensor's data fills OpenVINO's table of numpy types. If two threads make this first access together, they deadlock:
# one holds the table's lock and waits for the GIL, the other holds the GIL and waits for the table. At import there is only one thread.
_ = openvino.Tensor(openvino.Type.f32, openvino.Shape([1])).data
