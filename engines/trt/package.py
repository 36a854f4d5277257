"""The two kinds of TensorRT and what differs between them; everything else about them is one code path."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from gi_plugin.errors import EngineMissing

from .network import Layer


@dataclass(frozen=True)
class TensorRtPackage:
    """One TensorRT package."""

    backend: str  # its name in [engine] backend
    module: str
    extra: str
    oldest: tuple[int, int]  # version that has what we use
    layers: tuple[Layer, ...]  # forms of the attention step that it takes, the preferred one first
    portable: bool  # builds without a GPU, for several kinds of GPU at once
    library: str = ""  # library that its parser opens by a name which the wheel lacks; see `library_folder`

    def status(self) -> str:
        """Empty if the package can be used here, else why not."""
        if find_spec(self.module) is None:
            return f"not installed; install it with: pip install 'gi-plugin[{self.extra}]'"
        try:
            found = self.installed()
        except (ImportError, OSError) as error:
            return f"{self.module} is installed, but cannot be loaded: {error}"
        if tuple(int(part) for part in found.split(".")[:2]) < self.oldest:
            wanted = ".".join(map(str, self.oldest))
            return f"{self.module} {found} is too old, at least {wanted} is needed; install it with: pip install 'gi-plugin[{self.extra}]'"
        return ""

    def installed(self) -> str:
        """The version of the installed package."""
        try:
            return version(self.module.replace("_", "-"))
        except PackageNotFoundError:  # installed by the system, without metadata
            return str(import_module(self.module).__version__)

    def load(self) -> ModuleType:
        """Import the package.

        :raises EngineMissing: if it is not installed, too old, or its libraries cannot be loaded.
        """
        reason = self.status()
        if reason:
            raise EngineMissing(f"{self.backend}: {reason}")
        try:
            return import_module(self.module)
        except (ImportError, OSError) as error:
            raise EngineMissing(f"{self.module} is installed, but cannot be loaded: {error}") from error

    def shared_library(self) -> Path | None:
        """The file that `library` should name, if the wheel has it."""
        libraries = find_spec(f"{self.module}_libs")
        folders = libraries.submodule_search_locations if libraries is not None and self.library else None
        found = sorted(path for folder in folders or () for path in Path(folder).glob(f"{self.library}.*"))
        return found[0] if found else None


TENSORRT = TensorRtPackage("tensorrt", "tensorrt", "tensorrt", (10, 9), ("plugin", "aot", "native"), portable=False)
TENSORRT_RTX = TensorRtPackage(
    "tensorrt-rtx", "tensorrt_rtx", "rtx", (1, 3), ("plugin", "native"), portable=True, library="libtensorrt_rtx.so"
)  # fmt: skip
TENSORRT_PACKAGES = {package.backend: package for package in (TENSORRT, TENSORRT_RTX)}
