"""The documentation as a site: it builds without a warning, and its reference names everything that the code has."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install 'gi-plugin[docs]'")

from tests.gi_plugin.cli.test_help import COMMANDS
from tests.product import ROOT
from website import pages, reference


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site; a broken link, a page that is in no menu or a wrong reference is an error."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert built.returncode == 0, built.stderr
    return folder


@pytest.mark.slow
def test_the_site_has_every_document(site: Path) -> None:
    """Each document is a page, and no page asks another host for anything but links."""
    for document in (ROOT / "docs").glob("*.md"):
        text = (site / f"{document.stem}.html").read_text(encoding="utf-8")
        assert re.findall(r'<(?:script|img|link)[^>]* (?:src|href)="(https?://[^"]*)"', text) == []
    assert re.search(r'<img [^>]*src="demo.png"', (site / "index.html").read_text(encoding="utf-8"))
    assert "inpaint_sequence" in (site / "reference" / "python.html").read_text(encoding="utf-8")


def test_the_reference_names_every_command_and_option() -> None:
    """Each command has a heading, and each option of it stands below."""
    sections = dict(re.findall(r"^## gi-plugin ([\w-]+)\n(.*?)(?=^## |\Z)", reference.commands(), re.DOTALL | re.MULTILINE))
    single = {name: command for name, command in COMMANDS.items() if not hasattr(command, "commands")}
    assert single.keys() <= sections.keys()
    for name, command in single.items():
        options = [option for parameter in command.params if parameter.param_type_name == "option" for option in parameter.opts]
        assert [option for option in options if f"`{option}`" not in sections[name]] == []


def test_the_reference_names_every_setting() -> None:
    """Each key of plugin.toml has a row with its default and an explanation."""
    rows = re.findall(r"^\| `(\w+)` \| `(.+?)` \| .+ \| (.+) \|$", reference.settings(), re.MULTILINE)
    tables = tomllib.loads((ROOT / "plugin.toml").read_text(encoding="utf-8"))
    assert [key for key, _, _ in rows] == [key for table in tables.values() for key in table]


@pytest.mark.parametrize(
    ("link", "page", "expected"),
    [
        ("[a](transfer.md)", "hosts.md", "[a](transfer.md)"),
        ("[a](../README.md#the-mask)", "hosts.md", "[a](index.md#the-mask)"),
        ("[card](../gi_plugin/models/README.md)", "transfer.md", "[card](model-card.md)"),
        ("[a](../../docs/transfer.md)", "model-card.md", "[a](transfer.md)"),
        ("![a](docs/demo.png)", "changelog.md", "![a](demo.png)"),
        ("![a](demo.png)", "index.md", "![a](demo.png)"),
        ("[ours](../plugin.toml)", "hosts.md", "ours (`plugin.toml`)"),
        ("[a](https://example.org/b)", "hosts.md", "[a](https://example.org/b)"),
    ],
)
def test_links_are_led_to_pages(link: str, page: str, expected: str) -> None:
    """A link to another document leads to its page; a file that has none is named."""
    found = pages.LINK.sub(lambda match: pages.led(match[0], match[2], match[3], pages.origin(page), page), link)
    assert found == expected
