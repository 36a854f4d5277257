"""Compiles the C code of gi_plugin/transfer to one library that ctypes loads.

The environment variable GI_PLUGIN_COMPILER chooses the compiler: `cc` (the system's: $CC, cc, gcc or clang), `zig` (the package ziglang),
`none`, or `auto`, the default: the first that works. `python -m building.compiling` writes the library into the source tree;
`… FOLDER PLATFORM…` writes the libraries of other platforms into a folder.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

from building.targets import MACOS, Target, target

SOURCES = ("inner.c", "blur.c", "filters.c", "interpolation.c", "votes.c")
EXACT = ("-fno-math-errno", "-ffp-contract=off")  # no fused multiply-add: equal results on every processor and in numpy
FLAGS = ("-std=gnu11", "-O3", "-g0", "-fvisibility=hidden", *EXACT)
FOLDER = Path(__file__).resolve().parents[1] / "gi_plugin" / "transfer"
CHOICES = ("auto", "cc", "zig", "none")
PROBE = "#include <math.h>\nint probe(int x) { return x; }\n"
Command = list[str]


def choice() -> str:
    """Read GI_PLUGIN_COMPILER; `auto` if it is not set or empty.

    :raises ValueError: if it is not cc, zig, none or auto.
    """
    chosen = os.environ.get("GI_PLUGIN_COMPILER") or "auto"
    if chosen not in CHOICES:
        raise ValueError(f"GI_PLUGIN_COMPILER is {chosen!r}; give one of {', '.join(CHOICES)}, or nothing")
    return chosen


def system_compiler() -> Command | None:
    """Find the first C compiler that builds a library on this system: $CC if set, else cc, gcc or clang. Returns its command."""
    named = os.environ.get("CC")
    commands = [shlex.split(named)] if named else [[name] for name in ("cc", "gcc", "clang")]
    return next((command for command in commands if shutil.which(command[0]) and _works(command)), None)


def zig() -> Command | None:
    """Return the command of the C compiler in the package ziglang; None if the package is not installed."""
    return [sys.executable, "-m", "ziglang", "cc"] if importlib.util.find_spec("ziglang") else None


def build(folder: Path, platform: str = "") -> Path | None:
    """Compile the library into a folder. If no compiler works, remove an old library and print one line.

    :param platform: name of another platform; only zig can compile for it. Empty: this platform.
    :return: the path of the library, or None.
    :raises RuntimeError: if the compiler was chosen by name and is missing or fails, or `cc` was chosen for a named platform.
    """
    chosen, goal = choice(), target(platform)
    if platform and chosen == "cc":
        raise RuntimeError(f"{platform}: only zig compiles for a named platform; set GI_PLUGIN_COMPILER=zig")
    (folder / goal.library).unlink(missing_ok=True)  # a library of older sources must not remain
    try:
        return _compile(folder, goal, _command(chosen, named=bool(platform)))
    except RuntimeError as problem:
        if chosen in {"cc", "zig"}:
            raise
        reason, remedy = str(problem).splitlines()[0], "for the compiled form install a C compiler and build again"
        print(f"gi-plugin is built without compiled code and runs slower, in numpy ({reason}); {remedy}", file=sys.stderr)
        return None


def _command(chosen: str, *, named: bool) -> Command:
    """Return the command of the chosen compiler; a named platform needs zig.

    :raises RuntimeError: if there is no such compiler.
    """
    if chosen == "none":
        raise RuntimeError("GI_PLUGIN_COMPILER is none")
    command = system_compiler() if chosen != "zig" and not named else None
    command = command or (zig() if chosen != "cc" else None)
    if command is None:
        raise RuntimeError(f"no C compiler found for GI_PLUGIN_COMPILER={chosen}")
    return command


def _works(command: Command) -> bool:
    """Check that a compiler compiles and links. On macOS without the developer tools, `cc` exists but only asks to install them."""
    with TemporaryDirectory() as work:
        (Path(work) / "probe.c").write_text(PROBE, encoding="ascii")
        try:
            _run([*command, "-shared", "-fPIC", "probe.c", "-o", "probe.so"], Path(work), Path(work))
        except RuntimeError:
            return False
    return True


def _compile(folder: Path, goal: Target, command: Command) -> Path:
    """Compile every source, link them, and move the library into the folder."""
    with_zig = command[1:3] == ["-m", "ziglang"]
    common = [*command, *_goal_flags(goal, with_zig=with_zig)]
    with TemporaryDirectory() as work:

        def compiled(name: str) -> str:
            out = f"{Path(name).stem}.o"
            _run([*common, *FLAGS, "-c", name, "-o", str(Path(work) / out)], FOLDER, Path(work))
            return out

        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(compiled, SOURCES))
        _run([*common, "-shared", *_link_flags(goal, with_zig=with_zig), *objects, "-o", goal.library], Path(work), Path(work))
        return _put(Path(work) / goal.library, folder)


def _goal_flags(goal: Target, *, with_zig: bool) -> list[str]:
    """Flags for the platform and for position-independent code (the default on Windows)."""
    place = [] if goal.system == "windows" else ["-fPIC"]
    if with_zig:
        return [*place, "-target", goal.triple]
    return [*place, "-arch", goal.macos_tag.split("_", 3)[3], f"-mmacosx-version-min={MACOS}"] if goal.system == "macos" else place


def _link_flags(goal: Target, *, with_zig: bool) -> list[str]:
    """Flags to strip all symbols except the exported ones, and to link the thread and mathematics libraries where they are separate."""
    strip = ["-Wl,-x"] if goal.system == "macos" and not with_zig else ["-s"]
    return strip + {"windows": [], "macos": []}.get(goal.system, ["-pthread", "-lm"])


def _put(library: Path, folder: Path) -> Path:
    """Replace the library atomically; a running process keeps the old one."""
    folder.mkdir(parents=True, exist_ok=True)
    beside = folder / f"{library.name}.new"
    shutil.copyfile(library, beside)
    return beside.replace(folder / library.name)


def _run(command: Command, folder: Path, work: Path) -> None:
    """Run a compiler in a folder.

    :raises RuntimeError: with the compiler's output, if it fails.
    """
    environment = {"ZIG_GLOBAL_CACHE_DIR": str(work), "ZIG_LOCAL_CACHE_DIR": str(work), **os.environ}  # leave nothing in the user's cache
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)  # noqa: S603  # a fixed command line
    if result.returncode:
        raise RuntimeError(f"{shlex.join(command)} failed: {(result.stderr or result.stdout).strip()[-2000:]}")


def main(arguments: list[str]) -> None:
    """Write the library into the source tree, or the libraries of named platforms into folders with their names."""
    if not arguments:
        print(build(FOLDER) or "nothing compiled")
    for platform in arguments[1:]:
        print(build(Path(arguments[0]) / platform, platform))


if __name__ == "__main__":
    main(sys.argv[1:])
