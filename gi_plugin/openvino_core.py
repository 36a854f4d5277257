"""The one OpenVINO core of the process."""

from __future__ import annotations

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # OpenVINO would tell Google that it was imported

import openvino  # noqa: E402

# Shared and never released: a core that loads its CPU plugin gives the thread a stack for signals (AVX-512 needs a large one), and takes it
# away when it goes, even if it is another core's by then. The next Ctrl-C would crash the process.
CORE = openvino.Core()

# The first look at a tensor's data fills OpenVINO's table of numpy types, in which two threads that look at once wait for each other for
# ever: the one that fills it for Python's lock, the other, which has that, for the table. Here nobody else looks.
_ = openvino.Tensor(openvino.Type.f32, openvino.Shape([1])).data
