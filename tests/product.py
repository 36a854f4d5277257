"""Helpers that read the product's source files without running them, for the tests of layers, imports and the wheel."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {folder: f"gi_plugin.{folder}" for folder in ("engines", "hooks", "train")} | {"gi_plugin": "gi_plugin"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def files() -> dict[str, Path]:
    """Return the file of every module by the module's installed name; an `__init__` has the name of its package."""
    found = {}
    for folder, package in PACKAGES.items():
        for path in sorted((ROOT / folder).rglob("*.py")):
            inner = path.relative_to(ROOT / folder).with_suffix("").parts
            found[".".join((package, *(part for part in inner if part != "__init__")))] = path
    return found


def tree(path: Path) -> ast.Module:
    """Parse a file."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported_by(module: str, path: Path, *, at_start: bool = False) -> Iterator[str]:
    """Yield the dotted names that a module of the product imports; relative imports are resolved, `from a import b` gives `a.b`."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    return imported(tree(path), package, at_start=at_start)


def imported(node: ast.AST, package: str = "", *, at_start: bool = False) -> Iterator[str]:
    """Yield the dotted names that the code below a node imports; `from a import b` gives `a.b`.

    :param package: the package of the code's module; relative imports start from it.
    :param at_start: yield only imports that run when the module is imported, not those in functions or under TYPE_CHECKING.
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
    """Return the name in a requirement, e.g. "torch" for `torch>=2.9; extra == "train"`."""
    return re.split(r"[^\w-]", requirement)[0]


def _source(node: ast.ImportFrom, package: str) -> str:
    """Return the module that an import takes names from: one dot means the package itself, each further dot its parent."""
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    base = parts[: len(parts) - node.level + 1]
    return ".".join([*base, *([node.module] if node.module else [])])


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
