"""The reference page of the hooks."""

from __future__ import annotations

import inspect
import re

import pytest

from gi_plugin.hooks import reference, spec
from tests.product import ROOT

PAGE = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")


def test_the_page_is_that_of_the_specification() -> None:
    """docs/hooks.md is what `python -m gi_plugin.hooks.reference` writes."""
    assert reference.page() == PAGE


@pytest.mark.parametrize("hook", spec.specified())
def test_every_hook_is_described(hook: str) -> None:
    """The section of a hook has its arguments, an example that compiles, and says what None means if it may be returned."""
    section = PAGE.partition(f"\n## {hook}\n")[2].partition("\n## ")[0]
    for name in inspect.signature(getattr(spec, hook)).parameters:
        assert f"- `{name}`: " in section
    (example,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    compile(example, hook, "exec")
    if (
        "None" in str(getattr(spec, hook).__annotations__["return"]).replace("-> None", "")
        and "|" in getattr(spec, hook).__annotations__["return"]
    ):
        assert "None: " in section
