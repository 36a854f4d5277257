"""The layers of the product: each module imports only from lower layers, and every source file follows the house rules."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import gi_plugin
from tests import product

MODULES = product.files()
LADDER = (  # from low to high, each module once; a module imports only from rungs below its own
    "errors version arrays atomic models openvino_core cli.stopping files.quiet bench folder_run",
    "gi_plugin",  # __init__: it exports names of errors at once, and names of inpainter on first use
    "box photos config.tables",
    "config.places",
    "config.reading config.writing",
    "config image network_file bench.sample bench.timing",
    "inputs options cli.terminal files.modes files.opening files.sheet files.coding files.coding.exif files.coding.png files.coding.unread",
    "inputs.control",
    "inputs.masks inputs.value_range files.registered files.metadata files.raster",
    "inputs.doubts files.formats files.coding.deep files.coding.netpbm files.coding.tiff_tags",
    "files.coding.tiff",
    "files.picture",
    "files.masks files.transparency files.writing",
    "files folder_run.pairing",
    "containers.containers",
    "containers",
    "folder_run.jobs",
    # transfer: the pixels of the hole; and the windows of the network
    "transfer.native",
    "transfer.arrays transfer.schedule",
    "transfer.numpy_kernels transfer.guide",
    "transfer.kernels",
    "transfer.texture transfer.depth transfer.interpolation",
    "transfer.pyramid",
    "transfer.matching",
    "transfer.composition",
    "transfer.transfer",
    "transfer",
    "thin.first_fill",
    "thin.scaling",
    "thin",
    "planning.boxes planning.components planning.thin_holes",
    "planning.window",
    "planning.network_windows planning.transfer_windows",
    "planning.hole",
    "planning.overlap",
    "planning",
    # train: the network, its data, the training run, export and evaluation
    "train train.model train.data train.losses train.evaluation train.onnx_export train.rented train.thin",
    "train.psnr train.shortage train.watch train.distributed train.consistency train.evaluation.step_profile",
    "train.losses.adversarial train.losses.reconstruction train.losses.texture train.losses.low_frequencies train.losses.balance",
    "train.model.precision train.model.critics train.data.shapes train.data.schedule",
    "train.model.patch_critics train.data.masks",
    "train.thin.network train.thin.masks train.thin.settings",
    "train.evaluation.metrics train.evaluation.features train.data.bank",
    "train.model.attention train.model.smooth_base train.evaluation.baselines train.evaluation.mask_sets",
    "train.model.network train.data.pictures train.losses.pasted",
    "train.model.compiled train.data.resident",
    "train.adversary",
    "train.checkpoint train.objective train.data.stream train.evaluation.evaluate train.onnx_export.attention_function",
    "train.onnx_export.tracing",
    "train.step",
    "train.run_state train.validation train.evaluation.throughput train.onnx_export.region_functions",
    "train.loop train.onnx_export.export train.rented.parts",
    "train.evaluation.ablation train.rented.checks train.rented.session train.thin.samples train.thin.state",
    "train.thin.run train.thin.export",
    # engines: shared parts, the attention kernel, the CPU, TensorRT, the choice of the backend
    "engines.attention engines.cpu engines.gpu engines.thin engines.transfer engines.transfer.kernels engines.trt",
    "engines.protocol engines.cache engines.gpu.driver engines.gpu.memory engines.gpu.recorded engines.attention.tile",
    "engines.gpu.ahead_of_time engines.cpu.compiled engines.transfer.forms engines.transfer.masks engines.transfer.guide_tables",
    "engines.transfer.level_job",
    "engines.transfer.kernels.blur engines.transfer.kernels.search engines.transfer.kernels.votes engines.transfer.kernels.composition",
    "engines.transfer.kernels.pictures engines.transfer.kernels.level engines.transfer.launching engines.transfer.arrays",
    "engines.transfer.compile engines.transfer.job",
    "engines.transfer.searching",
    "engines.transfer.composing engines.transfer.self_check",
    "engines.transfer.gpu_transfer",
    "engines.attention.kernel engines.cpu.hole_region engines.cpu.int8_file engines.trt.precision",
    "engines.overflow engines.trt.rtx_kernel_cache",
    "engines.attention.compile engines.attention.autograd engines.cpu.openvino_engine engines.cpu.quantization engines.trt.network",
    "engines.thin.openvino_thin",
    "engines.torch_engine engines.trt.package engines.trt.build_request engines.trt.layer engines.trt.layer_aot",
    "engines.trt.worker engines.trt.build_process engines.thin.torch_thin",
    "engines.trt.builder",
    "engines.trt.engine",
    "engines.registry",
    "engines.selection",
    "engines engines.trt.check",
    # users of the engines: arrays, picture files, folders, benchmarks
    "filling.engines filling.enlarging filling.piece",
    "filling.completion filling.result filling.thin_fill",
    "filling.network_detail filling.transfer_detail",
    "filling.fill",
    "filling",
    "inpainter",
    "shared",
    "sequence.motion",
    "sequence.views",
    "sequence.scene",
    "sequence.sequence",
    "sequence bench.first_call",
    "attention_map bench.overhead bench.windows bench.gpu_transfer",
    "photos.demo folder_run.steps bench.gpu bench.pictures",
    "folder_run.summary folder_run.pipeline folder_run.frames bench.command bench.tables bench.thin_holes",
    "bench.plot",
    # hosts
    "hooks hooks.calling hooks.web hooks.web.photos hooks.inference_server hooks.ray_cluster",
    "hooks.markers hooks.web.limits hooks.web.access hooks.web.work hooks.web.arriving hooks.inference_server.model_config",
    "hooks.registrations hooks.calling.call_options hooks.calling.selecting",
    "hooks.spec hooks.calling.contract",
    "hooks.loading hooks.calling.checked hooks.calling.probe",
    "hooks.host hooks.listing hooks.plugin hooks.specks hooks.reference hooks.inference_server.repository",
    "hooks.web.photos.shown hooks.web.photos.painting hooks.web.photos.stored hooks.web.openapi",
    "hooks.calling.session",
    "hooks.comfyui_node hooks.napari_widget hooks.inference_server.triton_model hooks.ray_cluster.data",
    "hooks.ray_cluster.folders hooks.web.photos.reading",
    "hooks.web.photos.rounds hooks.web.state",
    "hooks.web.answers",
    "hooks.web.api hooks.web.page",
    "hooks.web.app",
    "hooks.web.server",
    # the command line
    "cli.diagnosis cli.plugin_options cli.usage",
    "cli.train_options",
    "cli.inpaint.inputs cli.inpaint.parameters cli.inpaint.report cli.inpaint.streams",
    "cli.inpaint.command",
    "cli.bench cli.engines cli.evaluation cli.hosts cli.inpaint cli.settings cli.training",
    "cli.app",
    "cli",
    "__main__",
)
RUNGS = {name if name == "gi_plugin" else f"gi_plugin.{name}": rung for rung, names in enumerate(LADDER) for name in names.split()}
DOORS = {  # package: modules outside it that may import it
    "gi_plugin.train": {
        "gi_plugin.bench.gpu",
        "gi_plugin.bench.pictures",
        "gi_plugin.cli.evaluation",
        "gi_plugin.cli.train_options",
        "gi_plugin.cli.training",
        "gi_plugin.engines.attention.autograd",
        "gi_plugin.engines.cpu.quantization",
        "gi_plugin.engines.thin.torch_thin",
        "gi_plugin.engines.torch_engine",
    },
    "gi_plugin.hooks": {"gi_plugin.cli.app", "gi_plugin.cli.hosts", "gi_plugin.cli.inpaint.command", "gi_plugin.cli.plugin_options"},
}
UPWARD = ("from ..selection import open_engine", "from gi_plugin.inpainter import Inpainter", "from .. import selection")
MOST_FILES = 14  # in one source folder
LONGEST = {"gi_plugin.train.model.network": 330}  # lines; 250 for all other modules
INHERITED = {"forward", "backward"}  # methods that PyTorch documents
OTHER_NAMES = {"pillow": "PIL", "scikit-image": "skimage", "opencv-python-headless": "cv2", "cuda-bindings": "cuda"}


def _module_of(name: str) -> str | None:
    """Return the module of the product that an imported name is or is defined in; None for other packages."""
    if name.split(".", maxsplit=1)[0] != "gi_plugin":
        return None
    return name if name in MODULES else name.rpartition(".")[0]


def _edges(module: str, path: Path, *, at_start: bool = False) -> set[str]:
    """Return the other modules of the product that a file imports."""
    names = product.imported_by(module, path, at_start=at_start)
    return {found for name in names if (found := _module_of(name))} - {module}


def _upward(edges: dict[str, set[str]]) -> set[tuple[str, str]]:
    """Return the imports that do not lead down the ladder, except those that `gi_plugin/__init__.py` makes on first use."""
    found = {(module, other) for module, others in edges.items() for other in others if RUNGS[other] >= RUNGS[module]}
    return found - {("gi_plugin", f"gi_plugin.{name}") for name in ("inpainter", "shared", "sequence")}


EDGES = {module: _edges(module, path) for module, path in MODULES.items()}


def test_every_module_has_one_rung() -> None:
    """The ladder names every module exactly once, and every import names a module that exists."""
    assert sorted(name for names in LADDER for name in names.split()) == sorted(name.removeprefix("gi_plugin.") for name in MODULES)
    assert {other for others in EDGES.values() for other in others} <= MODULES.keys()


def test_imports_point_down_the_ladder() -> None:
    """A module imports only modules on lower rungs."""
    assert _upward(EDGES) == set()


@pytest.mark.parametrize("line", UPWARD)
def test_an_upward_import_is_found(tmp_path: Path, line: str) -> None:
    """An import that leads up the ladder is found, whether it is absolute or relative."""
    module, source = "gi_plugin.engines.cpu.hole_region", tmp_path / "hole_region.py"
    source.write_text(f"{line}\n", encoding="utf-8")
    assert len(_upward({module: _edges(module, source)})) == 1


def test_no_two_modules_import_each_other() -> None:
    """The imports have no cycle, including the imports inside functions."""
    assert len(list(TopologicalSorter(EDGES).static_order())) == len(MODULES)


@pytest.mark.parametrize("package", DOORS)
def test_packages_are_entered_by_their_doors(package: str) -> None:
    """Only the modules in `DOORS` import `train` or `hooks` from outside."""

    def inside(module: str) -> bool:
        return f"{module}.".startswith(f"{package}.")

    outsiders = {module for module, others in EDGES.items() if not inside(module) and any(map(inside, others))}
    assert outsiders
    assert outsiders <= DOORS[package]


def test_the_package_imports_little_at_start() -> None:
    """`gi_plugin/__init__.py`, which runs before every other module, imports nothing but the errors and the version."""
    assert _edges("gi_plugin", MODULES["gi_plugin"], at_start=True) == {"gi_plugin.errors", "gi_plugin.version"}


def test_public_names_are_pinned() -> None:
    """`gi_plugin.__all__` is the pinned list of public names, and each of them exists."""
    assert gi_plugin.__all__ == [
        "Cancelled",
        "ConfigError",
        "EngineError",
        "EngineMismatch",
        "EngineMissing",
        "GiError",
        "ImageError",
        "Inpainter",
        "MaskWarning",
        "MissingDependency",
        "ModelError",
        "PluginError",
        "TrainingError",
        "inpaint",
        "inpaint_sequence",
    ]
    assert all(callable(getattr(gi_plugin, name)) for name in gi_plugin.__all__)


def test_no_package_is_imported_by_its_folder() -> None:
    """Modules and tests import `gi_plugin.engines`, never the folder name `engines`; the same holds for hooks and train."""
    folders = product.PACKAGES.keys() - {"gi_plugin"}
    names = {(path, name) for module, path in MODULES.items() for name in product.imported_by(module, path)}
    names |= {(path, name) for path in (product.ROOT / "tests").rglob("*.py") for name in product.imported(product.tree(path))}
    assert {(path, name) for path, name in names if name.split(".")[0] in folders} == set()


def test_nothing_is_named_after_a_library() -> None:
    """No file or folder has the name of a library, e.g. torch.py or cuda/, which could hide that library from Python."""
    project = tomllib.loads((product.ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    requirements = [*project["dependencies"], *(line for extra in project["optional-dependencies"].values() for line in extra)]
    packages = {product.distribution(line) for line in requirements}
    libraries = {OTHER_NAMES.get(name, name.replace("-", "_")) for name in packages} - {"gi_plugin"} | set(sys.stdlib_module_names)
    assert {"torch", "skimage", "tensorrt_rtx", "statistics"} <= libraries
    assert {path.stem for path in MODULES.values()} & libraries == set()
    assert {path.parent.name for path in MODULES.values()} & libraries == set()


def test_no_folder_is_crowded() -> None:
    """No source folder has more than 14 Python files."""
    files = Counter(path.parent.relative_to(product.ROOT).as_posix() for path in MODULES.values())
    assert {folder: count for folder, count in files.items() if count > MOST_FILES} == {}


def test_files_are_short_and_start_the_same_way() -> None:
    """Every module has at most 250 lines, a docstring, and then `from __future__ import annotations`."""
    start = ["from __future__ import annotations"]
    trees = {module: product.tree(path) for module, path in MODULES.items()}
    lengths = {module: len(path.read_text(encoding="utf-8").splitlines()) for module, path in MODULES.items()}
    assert {module: length for module, length in lengths.items() if length > LONGEST.get(module, 250)} == {}
    assert [module for module, tree in trees.items() if not ast.get_docstring(tree)] == []
    assert [module for module, tree in trees.items() if [ast.unparse(line) for line in tree.body[1:2]] != start] == []


def test_no_two_public_classes_have_one_name() -> None:
    """Each public class name is used once in the whole product."""
    classes = Counter(
        node.name
        for path in MODULES.values()
        for node in product.tree(path).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name: count for name, count in classes.items() if count > 1} == {}


def test_public_names_are_documented() -> None:
    """Every public function, class and method has a docstring."""
    assert {module: missing for module, path in MODULES.items() if (missing := list(_undocumented(product.tree(path))))} == {}


def _undocumented(scope: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in scope.body:
        if not isinstance(node, ast.ClassDef | product.Function) or node.name.startswith("_"):
            continue
        if ast.get_docstring(node) is None and not (isinstance(scope, ast.ClassDef) and scope.bases and node.name in INHERITED):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in _undocumented(node))
