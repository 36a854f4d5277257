"""Setuptools commands that compile the library during the build, and make a wheel for one platform and every Python version."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, ClassVar

from setuptools import Command
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build import build

from building import compiling
from building.targets import target

PLACE = Path("gi_plugin", "transfer")


class BuildLibrary(Command):
    """Compiles the library into the wheel, or into the source tree for an editable installation."""

    description = "compile the C code of gi_plugin/transfer"
    user_options: ClassVar[list[tuple[str, str, str]]] = []
    build_lib: Any
    library: Path | None  # the compiled library; None if no compiler was found

    def initialize_options(self) -> None:
        """Set the attributes of the setuptools protocol `SubCommand`."""
        self.editable_mode = False
        self.build_lib = None  # finalize_options sets it
        self.library = None

    def finalize_options(self) -> None:
        """Take the build folder from `build_py`."""
        self.set_undefined_options("build_py", ("build_lib", "build_lib"))

    def run(self) -> None:
        """Compile the library."""
        wheel = self.get_finalized_command("bdist_wheel")
        platform = wheel.plat_name if wheel.plat_name_supplied else ""
        self.library = compiling.build(compiling.FOLDER if self.editable_mode else Path(self.build_lib, PLACE), platform)

    def get_source_files(self) -> list[str]:
        """List the C files for the source archive."""
        return sorted(path.as_posix() for pattern in ("*.c", "*.h") for path in PLACE.glob(pattern))

    def get_outputs(self) -> list[str]:
        """List the library as a file of the wheel."""
        return [str(Path(self.build_lib, PLACE, self.library.name))] if self.library else []

    def get_output_mapping(self) -> dict[str, str]:
        """Map the library to its place in the source tree, for an editable installation."""
        return dict.fromkeys(self.get_outputs(), str(PLACE / self.library.name)) if self.library and self.editable_mode else {}


class Build(build):
    """The setuptools build into an empty folder, followed by the library."""

    sub_commands: ClassVar = [*build.sub_commands, ("build_library", None)]

    def run(self) -> None:
        """Remove what an earlier build left, which would go into the wheel, and build."""
        if Path(self.build_base).resolve() in Path(self.build_lib).resolve().parents:  # no folder that a user has chosen
            shutil.rmtree(self.build_lib, ignore_errors=True)
        super().run()


class Wheel(bdist_wheel):
    """A wheel for one platform if it contains the library, and for every version of Python."""

    def run(self) -> None:
        """Build first, to find out whether there is a library."""
        self.run_command("build")
        if self.get_finalized_command("build_library").library:
            self.root_is_pure = False
            self.distribution.has_ext_modules = lambda: True  # setuptools asks this to choose the installation folder
        super().run()

    def get_tag(self) -> tuple[str, str, str]:
        """Return `py3-none-any` without the library, else `py3-none` and the platform of the library."""
        _, _, platform = super().get_tag()
        if self.root_is_pure:
            return "py3", "none", "any"
        goal = target()
        own_mac = goal.system == "macos" and not self.plat_name_supplied
        return "py3", "none", goal.macos_tag if own_mac else platform
