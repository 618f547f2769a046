"""Prints what driftune needs, a requirement a line: python3 docker/requirements.py [EXTRA ...].

An image installs this before the code is there, so that a change of code doesn't install it again.
"""

import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["project"]
extras = project["optional-dependencies"]
needed = [*project["dependencies"], *(need for name in sys.argv[1:] for need in extras[name])]
sys.stdout.write("\n".join(needed) + "\n")
