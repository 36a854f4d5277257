"""The build backend: setuptools, which also requires the compiler `ziglang` if the system has none.

The package has 400 MB, so it is downloaded only if needed. A fixed list in pyproject.toml cannot express this.
"""

from __future__ import annotations

from setuptools import build_meta
from setuptools.build_meta import *  # noqa: F403  # all other hooks are those of setuptools

from building import compiling

Settings = dict[str, str | list[str] | None] | None
ZIG = "ziglang>=0.14; sys_platform in 'linux darwin win32' and platform_machine in 'x86_64 AMD64 aarch64 arm64 ARM64'"


def get_requires_for_build_wheel(config_settings: Settings = None) -> list[str]:
    """Packages that pip installs before it builds a wheel."""
    return [*build_meta.get_requires_for_build_wheel(config_settings), *_compiler()]


def get_requires_for_build_editable(config_settings: Settings = None) -> list[str]:
    """Packages that pip installs before it builds an editable installation."""
    return [*build_meta.get_requires_for_build_editable(config_settings), *_compiler()]


def _compiler() -> list[str]:
    choice = compiling.choice()
    return [ZIG] if choice == "zig" or (choice == "auto" and compiling.system_compiler() is None) else []
