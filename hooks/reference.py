"""Write docs/hooks.md from the hook specification: `python -m gi_plugin.hooks.reference > docs/hooks.md`."""

from __future__ import annotations

import inspect
import re
from typing import Any

from . import spec

CHAINED = ("prepare_input", "finish")  # hooks whose results go from plugin to plugin
HEAD = """# The hooks

<!-- Written by `python -m gi_plugin.hooks.reference`; the text is that of hooks/spec.py and hooks/registrations.py. -->

A plugin implements any of these hooks with `gi_plugin.hooks.spec.hookimpl`; [hosts.md](hosts.md) says how a host calls them and how a \
plugin is installed. An implementation may name fewer arguments than the specification, never more. This is version {version} of the \
specification; a plugin for an older version works.

| hook | who is called |
|---|---|
{rows}
"""


def page() -> str:
    """Write the page in Markdown."""
    hooks = {name: getattr(spec, name) for name in spec.specified()}
    rows = "\n".join(f"| [`{name}`](#{name}) | {_called(name, hook)} |" for name, hook in hooks.items())
    return HEAD.format(version=spec.SPEC_VERSION, rows=rows) + "".join(_section(name, hook) for name, hook in hooks.items())


def _called(name: str, hook: Any) -> str:
    options = hook.gi_plugin_spec
    if name in CHAINED:
        return "every plugin, each with the result of the one before"
    if options["firstresult"]:
        return "one plugin after the other, until one does not return None"
    return "every plugin, also those registered later" if options["historic"] else "every plugin"


def _section(name: str, hook: Any) -> str:
    text, _, fields = inspect.cleandoc(hook.__doc__).partition("\n\n:")
    signature = ", ".join(inspect.signature(hook).parameters)
    parts = [f"\n## {name}\n\n`{name}({signature})`\n"]
    for paragraph in re.split(r"\n\n(?! )", text):
        prose, _, code = paragraph.partition("\n\n    ")
        parts.append("\n" + " ".join(line.strip() for line in prose.splitlines()) + "\n")
        if code:
            parts.append(f"\n```python\n{inspect.cleandoc('    ' + code)}\n```\n")
    if fields:
        parts.append("\n" + "".join(_field(field) for field in re.split(r"\n:", fields)))
    return "".join(parts)


def _field(field: str) -> str:
    """Turn `param name: text` into a line of a list."""
    head, _, text = field.partition(":")
    return f"- {'result' if head == 'return' else '`' + head.removeprefix('param ') + '`'}: {' '.join(text.split())}\n"


if __name__ == "__main__":
    print(page(), end="")
