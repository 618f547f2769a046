"""The licence of a release and of a file, as an SPDX expression with the evidence for it. Unknown is None.

A licence comes from `License-Expression`, else from the licence files' text together with the classifiers. Several
texts give an AND: whoever uses a row keeps to all of them. A classifier such as "BSD License" names a family, not a
licence: the text decides.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any


@dataclass(frozen=True)
class Licence:
    """An SPDX expression (None where unknown) and `[{source, text}]`: what it rests on."""

    expression: str | None
    evidence: tuple[dict[str, str], ...] = ()


_TEXTS: Sequence[tuple[str, tuple[str, ...], tuple[str, ...]]] = (
    # SPDX id, phrases that must stand in the normalised text, phrases that must not
    ("MIT", ("permission is hereby granted free of charge to any person obtaining a copy",
             "the above copyright notice and this permission notice"), ("except as contained in this notice",)),
    ("MIT-0", ("permission is hereby granted free of charge to any person obtaining a copy",),
     ("the above copyright notice and this permission notice",)),
    ("BSD-4-Clause", ("redistribution and use in source and binary forms", "all advertising materials mentioning"), ()),
    ("BSD-3-Clause", ("redistribution and use in source and binary forms", "redistributions of source code must retain",
                      "redistributions in binary form must reproduce", "to endorse or promote products"),
     ("all advertising materials mentioning",)),
    ("BSD-2-Clause", ("redistribution and use in source and binary forms", "redistributions of source code must retain",
                      "redistributions in binary form must reproduce"),
     ("endorse or promote", "all advertising materials")),
    ("Apache-2.0", ("apache license version 2 0 january 2004",
                    "terms and conditions for use reproduction and distribution"), ()),
    ("Apache-2.0", ("licensed under the apache license version 2 0",), ()),
    ("ISC", ("permission to use copy modify and or distribute this software for any purpose with or without fee",
             "provided that the above copyright notice"), ()),
    ("ISC", ("permission to use copy modify and distribute this software for any purpose with or without fee",
             "provided that the above copyright notice"), ()),
    ("0BSD", ("permission to use copy modify and or distribute this software for any purpose with or without fee",),
     ("provided that the above copyright notice",)),
    ("PSF-2.0", ("python software foundation license version 2",), ()),
    ("PSF-2.0", ("psf license agreement for python",), ()),
    ("Unlicense", ("this is free and unencumbered software released into the public domain",), ()),
    ("Zlib", ("altered source versions must be plainly marked as such",), ()),
    ("BSL-1.0", ("boost software license version 1 0",), ()),
    ("CC0-1.0", ("cc0 1 0 universal",), ()),
    ("MPL-2.0", ("mozilla public license version 2 0",), ()),
    ("MPL-2.0", ("mozilla public license v 2 0",), ()),
    ("AGPL-3.0-only", ("gnu affero general public license",), ()),
    ("LGPL-3.0-only", ("gnu lesser general public license version 3",), ()),
    ("LGPL-2.1-only", ("gnu lesser general public license version 2 1",), ()),
    ("GPL-3.0-only", ("gnu general public license version 3",), ()),
    ("GPL-2.0-only", ("gnu general public license version 2",), ()),
    ("GPL-2.0-only", ("under the terms of the gnu general public license",), ("version 3",)),
)  # fmt: skip

_TAINTS = (
    "commons clause",
    "non commercial",
    "noncommercial",
    "good not evil",
    "academic use only",
    "business source license",
)
"""Phrases that make a text another licence than the one it looks like."""

_CLASSIFIERS = {
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Apache Software License": "Apache-2.0",
    "ISC License (ISCL)": "ISC",
    "Python Software Foundation License": "PSF-2.0",
    "The Unlicense (Unlicense)": "Unlicense",
    "zlib/libpng License": "Zlib",
    "Boost Software License 1.0 (BSL-1.0)": "BSL-1.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "GNU General Public License v2 or later (GPLv2+)": "GPL-2.0-or-later",
    "GNU General Public License v3 (GPLv3)": "GPL-3.0-only",
    "GNU General Public License v3 or later (GPLv3+)": "GPL-3.0-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.0-or-later",
    "GNU Lesser General Public License v3 (LGPLv3)": "LGPL-3.0-only",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
    "GNU Affero General Public License v3": "AGPL-3.0-only",
}
"""Classifiers that name one licence. "BSD License" names several and is left to the text."""

_FAMILIES = {"BSD License": "BSD", "GNU General Public License (GPL)": "GPL"}

_SPELLINGS = {
    "2-clause bsd": "BSD-2-Clause",
    "3-clause bsd": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache-2": "Apache-2.0",
    "bsd 2-clause": "BSD-2-Clause",
    "bsd 3-clause": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "bsd-3": "BSD-3-Clause",
    "expat": "MIT",
    "isc license": "ISC",
    "mit license": "MIT",
    "modified bsd": "BSD-3-Clause",
    "mpl 2.0": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "new bsd license": "BSD-3-Clause",
    "psf": "PSF-2.0",
    "psfl": "PSF-2.0",
    "simplified bsd": "BSD-2-Clause",
    "the mit license": "MIT",
}
"""Spellings in the `License` field that leave no doubt; plain `BSD` does."""

_FILE = re.compile(r"(?i)^(un)?(licen[cs]e|copying)([-._ ](txt|md|rst|mit|bsd|apache|apache2|psf|isc|text|python))*$")
_HEADER = re.compile(r"SPDX-License-Identifier:\s*([^\n\"'*]+)")
_HEAD = 4_000
"""Characters at a file's beginning in which a licence notice is looked for."""


def is_licence_file(name: str) -> bool:
    """Whether a file name is that of a project's own licence: `LICENSE.txt`, `COPYING`, …"""
    return bool(_FILE.match(name))


def release_licence(metadata: Mapping[str, Sequence[str]], texts: Mapping[str, str]) -> Licence:
    """The licence of a release.

    Args:
        metadata: Values of the core metadata by lower-case field name.
        texts: The project's own licence files: {path: text}.
    """
    evidence: list[dict[str, str]] = []
    for written in metadata.get("license-expression", ()):
        if expression := normalised(written):
            return Licence(expression, ({"source": "License-Expression", "text": written}, *_told(texts)))
        evidence.append({"source": "License-Expression", "text": f"{written} (no SPDX expression)"})
    found = sorted({i for t in texts.values() for i in recognised(t)})
    evidence += _told(texts)
    classified, families = _classified(metadata, evidence)
    if found:
        contradicted = any(not any(i.startswith(f) for i in found) for f in families)
        extra = [c for c in classified if c not in found and not _same_family(c, found)]
        return Licence(None if contradicted else normalised(" AND ".join(sorted({*found, *extra}))), tuple(evidence))
    if any(_tainted(t) for t in texts.values()):
        return Licence(None, tuple(evidence))
    return Licence(normalised(" AND ".join(sorted(set(classified)))) if classified else None, tuple(evidence))


def _classified(metadata: Mapping[str, Sequence[str]], evidence: list[dict[str, str]]) -> tuple[list[str], list[str]]:
    """The licences, and the families of licences, that classifiers and the `License` field name."""
    ids: list[str] = []
    families: list[str] = []
    for classifier in metadata.get("classifier", ()):
        if classifier.startswith("License ::"):
            name = classifier.rpartition(" :: ")[2]
            evidence.append({"source": "Classifier", "text": classifier})
            ids += [_CLASSIFIERS[name]] if name in _CLASSIFIERS else []
            families += [_FAMILIES[name]] if name in _FAMILIES else []
    for field in metadata.get("license", ()):
        short = field.strip().split("\n")[0][:100]
        evidence.append({"source": "License", "text": short})
        known = _SPELLINGS.get(short.lower()) or (normalised(short) if len(short) < 60 else None)
        ids += [known] if known else sorted(recognised(field))
    return ids, families


def _told(texts: Mapping[str, str]) -> list[dict[str, str]]:
    return [
        {"source": path, "text": f"{' AND '.join(sorted(recognised(text))) or 'not recognised'}: {_first_line(text)}"}
        for path, text in sorted(texts.items())
    ]


def _first_line(text: str) -> str:
    return next((line.strip()[:120] for line in text.split("\n") if line.strip(" =-*#\t")), "")


def _same_family(one: str, found: Sequence[str]) -> bool:
    return any(one.split("-")[0] == f.split("-")[0] and one.split("-")[0] in {"GPL", "LGPL", "AGPL"} for f in found)


def recognised(text: str) -> set[str]:
    """The SPDX ids of the licences whose text, or whose notice, stands in `text`."""
    plain = " ".join(re.sub(r"[^a-z0-9]+", " ", text.lower()).split())
    if _tainted(text):
        return set()
    found = {
        i for i, needed, barred in _TEXTS if all(p in plain for p in needed) and not any(p in plain for p in barred)
    }
    if any(i.startswith("LGPL") for i in found):
        found -= {"GPL-3.0-only", "GPL-2.0-only"}  # the lesser licence names the other
    if {"Apache-2.0", "MPL-2.0", "AGPL-3.0-only", "CC0-1.0"} & found:
        found -= {"GPL-2.0-only"} if len(plain) > 5_000 else set()
    return found


def _tainted(text: str) -> bool:
    plain = " ".join(re.sub(r"[^a-z0-9]+", " ", text.lower()).split())
    return any(t in plain for t in _TAINTS)


def file_licence(text: str, release: str | None, folder: Licence | None = None) -> str | None:
    """The licence of one file: what its header says, else that of the vendored folder it lies in, else the release's.

    Args:
        text: The file.
        release: The release's licence.
        folder: The licence of the nearest folder with a licence file of its own, where there is one.
    """
    head = text[:_HEAD]
    if match := _HEADER.search(head):
        return normalised(match.group(1).strip())
    if found := recognised(_comments(head)):
        return normalised(" AND ".join(sorted(found)))
    return folder.expression if folder is not None else release


def _comments(head: str) -> str:
    """The notice at the top of a file: comments, and the module's docstring, up to the first code."""
    kept: list[str] = []
    quote = ""
    for line in head.split("\n"):
        stripped = line.strip()
        opened = re.match(r'[rRuU]?("""|\'\'\')', stripped)
        if quote:
            quote = "" if quote in stripped else quote
        elif opened:
            quote = "" if opened.group(1) in stripped[opened.end() :] else opened.group(1)
        elif stripped and not stripped.startswith("#"):
            break
        kept.append(stripped.lstrip("#"))
    return "\n".join(kept)


def normalised(expression: str) -> str | None:
    """The SPDX expression in its normal form; None where it is none, or names an unknown licence."""
    from license_expression import ExpressionError

    try:
        parsed = _spdx().parse(expression.strip(), validate=True, strict=True)
    except (ExpressionError, ValueError, TypeError, AttributeError):
        return None
    return str(parsed.simplify()) if parsed is not None else None


@cache
def _spdx() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()
