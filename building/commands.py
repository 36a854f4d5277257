"""Setuptools' commands with the compiled library: a step of the build, and a wheel for one platform and every Python."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from setuptools import Command
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build

from building import compiling
from building.targets import target

PLACE = Path("gi_plugin", "transfer")


class BuildLibrary(Command):
    """Compile the library into the wheel, or into the source tree for an editable installation."""

    description = "compile the C code of gi_plugin/transfer"
    user_options: ClassVar[list[tuple[str, str, str]]] = []
    build_lib: Any
    library: Path | None  # what was compiled

    def initialize_options(self) -> None:
        """Set by setuptools, see its protocol `SubCommand`."""
        self.editable_mode = False
        self.build_lib = None  # so that the next step sets it
        self.library = None

    def finalize_options(self) -> None:
        """Take the folder of the build."""
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self) -> None:
        """Compile."""
        wheel = self.get_finalized_command("bdist_wheel")
        platform = wheel.plat_name if wheel.plat_name_supplied else ""
        self.library = compiling.build(compiling.FOLDER if self.editable_mode else Path(self.build_lib, PLACE), platform)

    def get_source_files(self) -> list[str]:
        """The C files, for the source archive."""
        return sorted(path.as_posix() for pattern in ("*.c", "*.h") for path in PLACE.glob(pattern))

    def get_outputs(self) -> list[str]:
        """The library as a file of the wheel."""
        return [str(Path(self.build_lib, PLACE, self.library.name))] if self.library else []

    def get_output_mapping(self) -> dict[str, str]:
        """The library's place in the source tree, where an editable installation has it."""
        return dict.fromkeys(self.get_outputs(), str(PLACE / self.library.name)) if self.library and self.editable_mode else {}


class Build(build):
    """The usual build, and then the library."""

    sub_commands: ClassVar = [*build.sub_commands, ("build_library", None)]


class Wheel(bdist_wheel):
    """A wheel that is bound to a platform if it holds the library, but to no version of Python."""

    def run(self) -> None:
        """Build first, since only then it is known whether there is a library."""
        self.run_command("build")
        if self.get_finalized_command("build_library").library:
            self.root_is_pure = False
            self.distribution.has_ext_modules = lambda: True  # where setuptools asks what kind of folder to install into
        super().run()

    def get_tag(self) -> tuple[str, str, str]:
        """`py3-none-any` without the library; with it, the platform it was compiled for."""
        _, _, platform = super().get_tag()
        if self.root_is_pure:
            return "py3", "none", "any"
        goal = target()
        own_mac = goal.system == "macos" and not self.plat_name_supplied
        return "py3", "none", goal.macos_tag if own_mac else platform
