"""Serving an adapter to 50 subscribers at once: `python benchmarks/registry.py [--json]`; see `downloads.py`.

This file has the name of a package that its neighbours import: as scripts, these find it first, and it gives way.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:] = [entry for entry in sys.path if Path(entry).resolve() != HERE]
sys.modules.pop("registry", None)
importlib.import_module("registry")  # the package, which is what stands in sys.modules from here on
sys.path.append(str(HERE))

if __name__ == "__main__":
    from downloads import main

    sys.exit(main())
