"""The platform of a compiled library, with its names in file names, for zig and in wheels."""

from __future__ import annotations

import platform
import sysconfig
from typing import NamedTuple

GLIBC = "2.17"  # version in manylinux2014, the oldest Linux that any dependency supports
MACOS = "11.0"  # oldest version of macOS
SUFFIXES = {"macos": "dylib", "windows": "dll"}
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}  # other names of the same processor


class Target(NamedTuple):
    """An operating system (linux, musl, macos, windows) and a processor (x86_64, aarch64, …)."""

    system: str
    machine: str

    @property
    def library(self) -> str:
        """File name of the library."""
        return f"_inner.{SUFFIXES.get(self.system, 'so')}"

    @property
    def triple(self) -> str:
        """Name of the platform for zig."""
        ends = {"linux": f"linux-gnu.{GLIBC}", "musl": "linux-musl", "macos": f"macos.{MACOS}", "windows": "windows-gnu"}
        return f"{self.machine}-{ends[self.system]}"

    @property
    def macos_tag(self) -> str:
        """Platform tag of a wheel for macOS. It names one processor, even if Python itself is built for two."""
        return f"macosx_{MACOS.replace('.', '_')}_{self.machine.replace('aarch64', 'arm64')}"


def target(name: str = "") -> Target:
    """Parse the name of a platform, such as `linux-x86_64`, `manylinux2014_x86_64`, `macosx_11_0_arm64`, `win_amd64`.

    :param name: name of the platform; empty: the platform of the running Python.
    """
    own = not name
    name = (name or sysconfig.get_platform()).lower().replace("-", "_")
    musl = "musl" in (str(sysconfig.get_config_var("HOST_GNU_TYPE")) if own else name)
    systems = {"mac": "macos", "win": "windows"}
    system = systems.get(name[:3], "musl" if musl else "linux")
    machine = next((word for word in ("x86_64", "amd64", "arm64", "aarch64") if name.endswith(word)), "")
    if name.endswith(("universal2", "intel")) or (not machine and own):
        machine = platform.machine().lower()
    machine = machine or name.rpartition("_")[2]
    return Target(system, MACHINES.get(machine, machine))
