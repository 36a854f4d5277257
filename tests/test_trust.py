"""No file that the product reads can run code: pickle and similar formats are not used."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests import product

UNSAFE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}  # reading their files can run code
RISKS = ("import pickle", "from joblib import load", "torch.load(file)", "eval(text)", "np.load(file, allow_pickle=True)")
CALLS = {("torch", "load"), ("torch", "save"), ("builtins", "eval"), ("yaml", "load")}


def test_no_module_unpickles() -> None:
    """No module imports pickle or a similar package, calls a function that unpickles, or reads array files with objects."""
    found = {module: risks for module, path in product.files().items() if (risks := list(_risks(product.tree(path))))}
    assert found == {}


@pytest.mark.parametrize("code", RISKS)
def test_a_risk_is_found(code: str) -> None:
    """Each kind of unsafe code is found."""
    assert len(list(_risks(ast.parse(code)))) == 1


def _risks(tree: ast.Module) -> Iterator[str]:
    yield from UNSAFE & {name.split(".")[0] for name in product.imported(tree)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name) and (called.value.id, called.attr) in CALLS:
                yield f"{called.value.id}.{called.attr}"
            if isinstance(called, ast.Name) and called.id in {"eval", "exec"}:
                yield called.id
            if "allow_pickle" in {keyword.arg for keyword in node.keywords}:
                yield "allow_pickle"
