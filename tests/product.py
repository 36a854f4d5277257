"""The product's source files, read but not run: for the tests of layers, imports and the wheel."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {folder: f"gi_plugin.{folder}" for folder in ("engines", "hooks", "train")} | {"gi_plugin": "gi_plugin"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def files() -> dict[str, Path]:
    """Every module of the product by its installed name; a package's `__init__` has the name of the package."""
    found = {}
    for folder, package in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            inner = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join((package, *(part for part in inner if part != "__init__")))] = path
    return found


def tree(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported_by(module: str, path: Path, *, at_start: bool = False) -> Iterator[str]:
    """Dotted names that a module of the product imports, relative ones resolved; `from a import b` as `a.b`."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return imported(tree(path), package, at_start=at_start)


def imported(node: ast.AST, package: str = "", *, at_start: bool = False) -> Iterator[str]:
    """Dotted names that the code below a node imports, `from a import b` as `a.b`.

    :param package: the package of the code's module, from which relative imports start.
    :param at_start: only what runs when the module is imported: nothing inside functions or under TYPE_CHECKING.
    """
    if at_start and (isinstance(node, Function | ast.Lambda) or _is_for_types(node)):
        return
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield from (f"{_source(node, package)}.{alias.name}" for alias in node.names)
    for child in ast.iter_child_nodes(node):
        yield from imported(child, package, at_start=at_start)


def distribution(requirement: str) -> str:
    """The name in a requirement such as `torch>=2.9; extra == "train"`."""
    return re.split(r"[^\w-]", requirement)[0]


def _source(node: ast.ImportFrom, package: str) -> str:
    """The module that an import takes names from: one dot stands for the package itself, each further one for its parent."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
