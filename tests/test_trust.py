"""Nothing that is read can run code: no pickle and its kin, anywhere."""

from __future__ import annotations

import ast

import pytest

from tests import product

CODE = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}  # modules whose files can run code when they are read
CALLS = {("torch", "load"), ("torch", "save"), ("builtins", "eval"), ("yaml", "load")}


@pytest.mark.parametrize("module", product.files())
def test_no_module_unpickles(module: str) -> None:
    """No import of such a module, no call that reads such files, no array file that may hold objects."""
    tree = product.tree(product.files()[module])
    assert CODE & {name.split(".")[0] for name in product.imported(tree)} == set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
                assert (called.value.id, called.attr) not in CALLS
            assert not (isinstance(called, ast.Name) and called.id in {"eval", "exec"})
            assert "allow_pickle" not in {keyword.arg for keyword in node.keywords}
