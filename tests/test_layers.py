"""The ladder: every module of the product imports only what stands below it; and what every file of it has to be like."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import gi_plugin
from tests import product

MODULES = product.files()
BENCH = ("bench_pictures", "bench_command", "bench_tables", "bench_plot")
LADDER = (  # low to high; a module imports what stands on lower rungs, modules of a rung marked * also each other
    ("errors", "models"),
    ("config", "network_file", "openvino_core"),
    ("image",),
    ("planning",),
    ("*", "transfer"),
    ("*", "train"),
    ("*", "engines"),
    ("inpainter",),
    ("gi_plugin",),  # the face: it hands out what inpainter and errors define
    ("*", "attention_map", "files", "formats", "deep_files", "png_files", "modes", "folders", "pipeline", "demo", "doctor", *BENCH),
    ("*", "hooks"),
    ("terminal", "stopping"),
    ("cli_bench", "cli_engines", "cli_hosts", "cli_inpaint", "cli_training"),
    ("cli",),
    ("__main__",),
)
DOORS = {  # package: who may import it from outside
    "gi_plugin.train": {
        "gi_plugin.bench_pictures",
        "gi_plugin.cli",
        "gi_plugin.cli_training",
        "gi_plugin.engines.gpu_check",
        "gi_plugin.engines.quantization",
        "gi_plugin.engines.torch_attention",
        "gi_plugin.engines.torch_engine",
    },
    "gi_plugin.hooks": {"gi_plugin.cli", "gi_plugin.cli_hosts", "gi_plugin.cli_inpaint"},
}
LONGEST = {"gi_plugin.train.network": 330}  # lines; 250 for the others
INHERITED = {"forward", "backward"}  # PyTorch's own documentation says what these are
OTHER_NAMES = {"pillow": "PIL", "scikit-image": "skimage", "opencv-python-headless": "cv2", "cuda-bindings": "cuda"}


def _rung(module: str) -> int:
    """The place of a module on the ladder."""
    name = "gi_plugin" if module == "gi_plugin" else module.split(".")[1]
    places = [index for index, rung in enumerate(LADDER) if name in rung]
    assert places, f"{module} has no place on the ladder"
    return places[0]


def _module_of(name: str) -> str | None:
    """The module of the product that an imported dotted name is, or is in."""
    if name.split(".", maxsplit=1)[0] != "gi_plugin":
        return None
    return name if name in MODULES else name.rpartition(".")[0]


def _edges(path: Path, *, at_start: bool = False) -> set[str]:
    """The product's modules that a file imports."""
    return {module for name in product.imported(product.tree(path), at_start=at_start) if (module := _module_of(name))}


EDGES = {module: _edges(path) - {module} for module, path in MODULES.items()}


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_down_the_ladder(module: str) -> None:
    """A module imports only modules that exist and stand below it, or beside it where its rung allows that."""
    assert EDGES[module] <= MODULES.keys()
    own = _rung(module)
    above = {other for other in EDGES[module] if _rung(other) > own - (LADDER[own][0] != "*")}
    lazy = {"gi_plugin.inpainter"} if module == "gi_plugin" else set()
    assert above - lazy == set()


def test_no_two_modules_import_each_other() -> None:
    """The imports have an order in which every module comes after what it imports, function-level imports included."""
    assert len(list(TopologicalSorter(EDGES).static_order())) == len(MODULES)


@pytest.mark.parametrize("package", DOORS)
def test_packages_are_entered_by_their_doors(package: str) -> None:
    """Training is reached through what runs PyTorch in engines and the command line, hooks through the command line only."""

    def inside(module: str) -> bool:
        return f"{module}.".startswith(f"{package}.")

    outsiders = {module for module, others in EDGES.items() if not inside(module) and any(map(inside, others))}
    assert outsiders
    assert outsiders <= DOORS[package]


def test_the_face_starts_with_errors_alone() -> None:
    """Whatever module of ours is imported, `gi_plugin/__init__.py` runs first: it must pull in nothing but the errors."""
    assert _edges(MODULES["gi_plugin"], at_start=True) == {"gi_plugin.errors"}


def test_public_names_are_pinned() -> None:
    """What `gi_plugin` promises to its users; each name is there."""
    assert gi_plugin.__all__ == [
        "ConfigError",
        "EngineError",
        "EngineMismatch",
        "EngineMissing",
        "GiError",
        "ImageError",
        "Inpainter",
        "MissingDependency",
        "ModelError",
        "TrainingError",
        "inpaint",
    ]
    assert all(callable(getattr(gi_plugin, name)) for name in gi_plugin.__all__)


def test_no_package_is_imported_by_its_folder() -> None:
    """`engines`, `hooks` and `train` are folders of this tree: installed, they stand in gi_plugin; tests keep to that too."""
    folders = product.PACKAGES.keys() - {"gi_plugin"}
    paths = [*MODULES.values(), *(product.ROOT / "tests").rglob("*.py")]
    assert [path for path in paths for name in product.imported(product.tree(path)) if name.lstrip(".").split(".")[0] in folders] == []


def test_no_module_is_named_after_a_library() -> None:
    """A file called torch.py would stand in torch's way for a reader, and for Python once its folder is on the path."""
    project = tomllib.loads((product.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    packages = {product.distribution(line) for line in requirements}
    libraries = {OTHER_NAMES.get(name, name.replace("-", "_")) for name in packages} - {"gi_plugin"} | set(sys.stdlib_module_names)
    assert {"torch", "skimage", "tensorrt_rtx", "statistics"} <= libraries
    assert {path.stem for path in MODULES.values()} & libraries == set()


@pytest.mark.parametrize("module", MODULES)
def test_a_file_is_short_and_starts_the_same_way(module: str) -> None:
    """One concept, at most 250 lines; a docstring; annotations are not evaluated."""
    text = MODULES[module].read_text(encoding="utf-8")
    tree = product.tree(MODULES[module])
    assert len(text.splitlines()) <= LONGEST.get(module, 250)
    assert ast.get_docstring(tree)
    assert [ast.unparse(statement) for statement in tree.body[1:2]] == ["from __future__ import annotations"]


@pytest.mark.parametrize("module", MODULES)
def test_public_things_are_documented(module: str) -> None:
    """Every public function, class and method says what it is."""
    assert list(_undocumented(product.tree(MODULES[module]))) == []


def _undocumented(scope: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in scope.body:
        if not isinstance(node, ast.ClassDef | product.Function) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None and not (isinstance(scope, ast.ClassDef) and scope.bases and node.name in INHERITED):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in _undocumented(node))
