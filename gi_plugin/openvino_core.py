"""The OpenVINO core that the whole process shares."""

from __future__ import annotations

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # else OpenVINO reports each import to Google Analytics

import openvino  # noqa: E402

# One core, never released: a core that loads its CPU plugin installs an alternate signal stack in the thread (large, for AVX-512) and
# removes it when the core is destroyed, even if another core has installed its own since. The next Ctrl-C would then crash the process.
CORE = openvino.Core()

# The first access to a tensor's data fills OpenVINO's table of numpy types. If two threads make this first access together, they deadlock:
# one holds the table's lock and waits for the GIL, the other holds the GIL and waits for the table. At import there is only one thread.
_ = openvino.Tensor(openvino.Type.f32, openvino.Shape([1])).data
