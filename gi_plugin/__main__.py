"""`python -m gi_plugin`."""

from __future__ import annotations

from gi_plugin.cli import main

if __name__ == "__main__":
    main()
