"""Hooks of MkDocs: pages that are made from the code or kept elsewhere, and links that leave the folder docs/."""

from __future__ import annotations

import posixpath
import sys
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # MkDocs loads this file by its path

from building.metadata import LINK, repository  # noqa: E402
from website import reference  # noqa: E402

ELSEWHERE = {"gi_plugin/models/README.md": "model-card.md", "CHANGELOG.md": "changelog.md", "README.md": "index.md"}  # file: page
STYLE = "site.css"


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Link to the repository, if its address is known."""
    config.repo_url = repository() or None
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are no files of docs/."""
    pages = {
        "reference/commands.md": reference.commands(),
        "reference/settings.md": reference.settings(),
        "reference/python.md": reference.PYTHON,
        STYLE: (ROOT / "website" / STYLE).read_text(encoding="utf-8"),
        **{ELSEWHERE[name]: (ROOT / name).read_text(encoding="utf-8") for name in ("gi_plugin/models/README.md", "CHANGELOG.md")},
    }
    for name, text in pages.items():
        files.append(File.generated(config, name, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Lead links to other pages, to the repository if its address is known, or to nowhere: then the name of the file stays."""
    uri = page.file.src_uri
    return LINK.sub(lambda link: led(link[0], link[2], link[3], origin(uri), uri), markdown)


def origin(page: str) -> str:
    """Return the file that a page is made of; the start page is no README, although links to the README lead to it."""
    here = f"docs/{page}"
    return here if (ROOT / here).exists() else next((path for path, name in ELSEWHERE.items() if name == page), here)


def led(whole: str, text: str, target: str, origin: str, page: str) -> str:
    """Return a link whose target is relative to the file `origin` as a link of the page `page`.

    :param whole: the link as it is written.
    """
    path, _, anchor = target.partition("#")
    found = posixpath.normpath(posixpath.join(posixpath.dirname(origin), path))
    inside = ELSEWHERE.get(found) or (found.removeprefix("docs/") if found.startswith("docs/") else "")
    if inside:
        mark = "!" if whole.startswith("!") else ""
        return f"{mark}[{text}]({posixpath.relpath(inside, posixpath.dirname(page) or '.')}{'#' if anchor else ''}{anchor})"
    return f"[{text}]({repository()}/blob/HEAD/{found})" if repository() else f"{text} (`{found}`)" if text != found else f"`{found}`"
