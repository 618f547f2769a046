"""A Sphinx extension: writes every block of code that docutils finds in the reST sources to `blocks.jsonl`.

It runs in the environment that builds a site, and is the truth that what is read of the HTML is held against. It also
takes away what a site's configuration would fetch: a build asks nobody.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.ext.doctest import blankline_re, doctestopt_re


def setup(app: Any) -> dict[str, Any]:
    """Sphinx calls it."""
    app.connect("config-inited", _offline, priority=1)
    app.connect("doctree-read", _note)
    return {"parallel_read_safe": True}


def _offline(app: Any, config: Any) -> None:
    config.intersphinx_mapping = {}


def _note(app: Any, tree: Any) -> None:
    with Path(app.outdir, "blocks.jsonl").open("a", encoding="utf-8") as file:
        for node in tree.findall():
            if isinstance(node, nodes.doctest_block | nodes.literal_block):
                source = node.rawsource
                shown = doctestopt_re.sub("", blankline_re.sub("", source))  # as Sphinx does before it writes HTML
                row = {"page": app.env.docname, "source": source, "shown": shown}
                file.write(json.dumps(row) + "\n")
