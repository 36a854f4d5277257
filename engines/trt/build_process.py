"""The builder's process: started with the libraries it needs, listened to, cancelled with its caller."""

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

LINES = 3  # of the log in the message of a failed build
GRACE = 10.0  # seconds that a cancelled builder has to end


def run_worker(request: Request, package: TensorRtPackage, folder: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Build in a process of its own; leaving this function by an exception (Ctrl-C, say) ends that process.

    :param folder: gets the request and the plan; the log of a failed build is kept beside it.
    :raises EngineError: if the builder refuses or crashes.
    """
    (folder / REQUEST).write_text(json.dumps(asdict(request)), encoding="utf-8")
    log, answers = folder.with_suffix(".log"), dict[str, Any]()
    command = [sys.executable, "-m", "gi_plugin.engines.trt.worker", str(folder)]
    with log.open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=_environment(package, folder), text=True)  # noqa: S603  # our own module
        try:
            for line in process.stdout or ():
                answers |= _answer(line)
                if "phase" in answers:
                    progress(answers["phase"])
            status = process.wait()
        except BaseException:  # cancelled: nothing failed, so there is nothing to read up
            log.unlink()
            raise
        finally:
            _end(process)
    if status == 0 and "report" in answers:
        log.unlink()
        report: dict[str, Any] = answers["report"]
        return report
    raise EngineError(_failure(request, status, answers, log))


def _failure(request: Request, status: int, answers: dict[str, Any], log: Path) -> str:
    if "error" in answers:
        return f"{answers['error']} (log: {log})"
    ended = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    tail = " | ".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-LINES:])
    return f"the {request.backend} builder {ended} in phase {answers.get('phase', 'start')!r}: {tail} (log: {log})"


def _answer(line: str) -> dict[str, Any]:
    try:
        answer = json.loads(line)
    except json.JSONDecodeError:
        return {}  # a library wrote to standard output
    return answer if isinstance(answer, dict) else {}


def _environment(package: TensorRtPackage, folder: Path) -> dict[str, str]:
    """TensorRT-RTX's parser opens its library by a name without version, which the wheel lacks: a link in the build's folder has it."""
    library = package.shared_library()
    if library is None:
        return dict(os.environ)
    (folder / package.library).symlink_to(library)
    known = os.environ.get("LD_LIBRARY_PATH")
    return {**os.environ, "LD_LIBRARY_PATH": os.pathsep.join(filter(None, (str(folder), known)))}


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
