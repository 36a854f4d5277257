"""The two TensorRT packages and the differences between them. All other code treats both alike."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

from gi_plugin.errors import EngineMissing

from .network import Layer


@dataclass(frozen=True)
class TensorRtPackage:
    """A TensorRT package, with the properties in which the two differ."""

    backend: str  # value of [engine] backend
    module: str
    extra: str
    oldest: str  # first version with everything that we use
    layers: tuple[Layer, ...]  # supported forms of the attention step, the preferred one first
    portable: bool  # builds without a GPU, for several GPU architectures at once
    capabilities: tuple[str, ...] = ()  # GPU architectures for which it can build; empty: it decides itself
    library: str = ""  # library that its parser opens by a name which the wheel lacks; see `shared_library`

    def missing(self) -> str:
        """Return "not installed" and the remedy if the package is not installed; empty if it is. Its version is not checked."""
        return "" if find_spec(self.module) else f"not installed; {self._remedy()}"

    def status(self) -> str:
        """Return the reason why the package cannot be used here; empty if it can."""
        if reason := self.missing():
            return reason
        from packaging.version import InvalidVersion, Version  # noqa: PLC0415  # slow import, not needed without the package

        try:
            found = self.installed()
        except (ImportError, OSError) as error:
            return f"{self.module} is installed, but cannot be loaded: {error}"
        try:
            too_old = Version(found) < Version(self.oldest)
        except InvalidVersion:
            return f"{self.module} has the version {found!r}, expected a number such as {self.oldest}; {self._remedy()}"
        return f"{self.module} {found} is too old, at least {self.oldest} is needed; {self._remedy()}" if too_old else ""

    def installed(self) -> str:
        """Return the version of the installed package."""
        from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415  # as above

        try:
            return version(self.module.replace("_", "-"))
        except PackageNotFoundError:  # installed without metadata, for example by the system's package manager
            return str(import_module(self.module).__version__)

    def load(self) -> ModuleType:
        """Import the package.

        :raises EngineMissing: if it is missing or too old, or its libraries cannot be loaded.
        """
        reason = self.status()
        if reason:
            raise EngineMissing(f"{self.backend}: {reason}")
        try:
            return import_module(self.module)
        except (ImportError, OSError) as error:
            raise EngineMissing(f"{self.module} is installed, but cannot be loaded: {error}") from error

    def refusal(self, capability: str) -> str:
        """Return the reason why engines of this package do not run on a GPU architecture such as "sm_90"; empty if they may."""
        if not self.capabilities or capability in self.capabilities:
            return ""
        return f"{self.backend} does not support the compute capability {capability}; it supports {', '.join(self.capabilities)}"

    def check_capability(self, capability: str) -> None:
        """Check that engines of this package may run on a GPU architecture.

        :raises EngineMissing: if they do not.
        """
        reason = self.refusal(capability)
        if reason:
            raise EngineMissing(f"{reason}: use backend 'tensorrt', or 'torch' with [engine] device = 'gpu'")

    def shared_library(self) -> Path | None:
        """Return the library that the parser looks for as `library`: the wheel has it under a name with a version. None if it has not."""
        libraries = find_spec(f"{self.module}_libs")
        folders = libraries.submodule_search_locations if libraries is not None and self.library else None
        found = sorted(path for folder in folders or () for path in Path(folder).glob(f"{self.library}.*"))
        return found[0] if found else None

    def _remedy(self) -> str:
        return f'install it with: pip install "gi-plugin[{self.extra}]"'


TENSORRT = TensorRtPackage("tensorrt", "tensorrt", "tensorrt", "10.9", ("plugin", "aot", "native"), portable=False)
TENSORRT_RTX = TensorRtPackage(
    "tensorrt-rtx",
    "tensorrt_rtx",
    "rtx",
    "1.3",
    ("plugin", "native"),
    portable=True,
    capabilities=("sm_80", "sm_86", "sm_89", "sm_120", "sm_121"),  # without sm_75, for which it cannot compile our network
    library="libtensorrt_rtx.so",
)
TENSORRT_PACKAGES = {package.backend: package for package in (TENSORRT, TENSORRT_RTX)}
