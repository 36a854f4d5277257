"""Run the TensorRT builder in a separate process: start it, report its progress, and stop it if the caller is interrupted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gi_plugin.errors import EngineError

from .build_request import REQUEST, Request
from .package import TensorRtPackage

LINES = 3  # last lines of the log that the message of a failed build quotes
VISIBLE = "CUDA_VISIBLE_DEVICES"
GRACE = 10.0  # seconds until a cancelled builder is killed


def run_worker(request: Request, package: TensorRtPackage, folder: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Build an engine in a separate process and return the builder's report. An exception such as Ctrl-C also ends that process.

    :param folder: the request and the plan are written here; the log of a failed build is kept beside it.
    :param progress: called with the name of each phase.
    :raises EngineError: if the build fails or the builder crashes.
    """
    (folder / REQUEST).write_text(json.dumps(asdict(request)), encoding="utf-8")
    log, messages = folder.with_suffix(".log"), dict[str, Any]()
    command = [sys.executable, "-m", "gi_plugin.engines.trt.worker", str(folder)]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=_environment(request, package, folder), text=True)  # noqa: S603  # our own module
        try:
            for line in process.stdout or ():
                messages |= _message(line)
                if "phase" in messages:
                    progress(messages["phase"])
            status = process.wait()
        except BaseException:  # cancelled: the log is not needed
            log.unlink()
            raise
        finally:
            _end(process)
    if status == 0 and "report" in messages:
        log.unlink()
        report: dict[str, Any] = messages["report"]
        return report
    raise EngineError(_failure(request, status, messages, log))


def _failure(request: Request, status: int, messages: dict[str, Any], log: Path) -> str:
    if "error" in messages:
        return f"{messages['error']} (log: {log})"
    ended = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    tail = " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES:])
    return f"the {request.backend} builder {ended} in phase {messages.get('phase', 'start')!r}: {tail} (log: {log})"


def _message(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except json.JSONDecodeError:
        return {}  # a library wrote to standard output
    return message if isinstance(message, dict) else {}


def _environment(request: Request, package: TensorRtPackage, folder: Path) -> dict[str, str]:
    """Environment of the builder: it sees only the GPU of the request, and the folder has the library that the wheel lacks.

    TensorRT-RTX's parser opens this library by a name without a version.
    """
    environment = dict(os.environ)
    visible = environment.get(VISIBLE, "")
    if request.device:
        listed = visible.split(",") if visible else [str(number) for number in range(request.device + 1)]
        environment[VISIBLE] = listed[request.device] if request.device < len(listed) else visible  # a portable build needs no GPU
    library = package.shared_library()
    if library is not None:
        (folder / package.library).symlink_to(library)
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(filter(None, (str(folder), environment.get("LD_LIBRARY_PATH"))))
    return environment


def _end(process: subprocess.Popen[str]) -> None:
    if process.stdout is not None:
        process.stdout.close()
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
