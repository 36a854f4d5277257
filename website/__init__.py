"""The documentation as a site: pages that are made from the code, and figures that are made by the product."""

from __future__ import annotations
