"""The one OpenVINO core of the process."""

from __future__ import annotations

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # OpenVINO would tell Google that it was imported

import openvino  # noqa: E402

# Shared and never released: a core that loads its CPU plugin gives the thread a stack for signals (AVX-512 needs a large one), and takes it
# away when it goes, even if it is another core's by then. The next Ctrl-C would crash the process.
CORE = openvino.Core()
