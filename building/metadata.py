"""The metadata that package indexes show: links to the repository, and a README whose links work outside it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from setuptools.command.egg_info import egg_info

SETTINGS = Path("pyproject.toml")
LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)]+)\)")  # a relative link or picture of Markdown
PAGES = {"Homepage": "", "Source": "", "Changelog": "/blob/HEAD/CHANGELOG.md", "Issues": "/issues"}


def repository() -> str:
    """Return the address of the repository, the setting [tool.gi-plugin] repository; empty if there is none."""
    return str(tomllib.loads(SETTINGS.read_text(encoding="utf-8"))["tool"]["gi-plugin"]["repository"]).rstrip("/")


def with_absolute_links(text: str, address: str) -> str:
    """Return the text of a README with absolute links to files of a repository."""
    return LINK.sub(lambda link: f"{link[1]}[{link[2]}]({address}/{'raw' if link[1] else 'blob'}/HEAD/{link[3]})", text)


class EggInfo(egg_info):
    """The setuptools command that writes the metadata, with links if the address of the repository is known."""

    def finalize_options(self) -> None:
        """Put the links into the metadata, before anything is written."""
        super().finalize_options()
        address, metadata = repository(), self.distribution.metadata
        if address:
            metadata.project_urls = {name: f"{address}{page}" for name, page in PAGES.items()}
            metadata.long_description = with_absolute_links(metadata.long_description or "", address)
