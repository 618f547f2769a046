from __future__ import annotations

import pytest

from scrapers.licences import Licence, file_licence, is_licence_file, normalised, recognised, release_licence

BSD3 = """Redistribution and use in source and binary forms, with or without modification, are permitted:
 * Redistributions of source code must retain the above copyright notice.
 * Redistributions in binary form must reproduce the above copyright notice.
 * Neither the name of X nor the names of its contributors may be used to endorse or promote products derived from it.
"""
BSD2 = "".join(BSD3.splitlines(keepends=True)[:3])
MIT = """Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files, to deal in the Software without restriction, provided that
The above copyright notice and this permission notice shall be included in all copies."""
ISC = """Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby
granted, provided that the above copyright notice and this permission notice appear in all copies."""
APACHE = "Apache License\nVersion 2.0, January 2004\nTERMS AND CONDITIONS FOR USE, REPRODUCTION, AND DISTRIBUTION\n"
LGPL = "GNU LESSER GENERAL PUBLIC LICENSE Version 3, 29 June 2007 ... GNU General Public License version 3"
BSD = "License :: OSI Approved :: BSD License"


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        (BSD3, {"BSD-3-Clause"}),
        (BSD2, {"BSD-2-Clause"}),
        (MIT, {"MIT"}),
        (MIT.partition(", provided")[0], {"MIT-0"}),
        (ISC, {"ISC"}),
        (APACHE, {"Apache-2.0"}),
        (LGPL, {"LGPL-3.0-only"}),
        ("PYTHON SOFTWARE FOUNDATION LICENSE VERSION 2", {"PSF-2.0"}),
        (BSD3 + MIT, {"BSD-3-Clause", "MIT"}),
        (MIT + "\nThe Software shall be used for Good, not Evil.", set()),
        ("Commons Clause\n" + APACHE, set()),
        ("All rights reserved.", set()),
    ],
)
def test_licence_is_recognised_by_its_text(text: str, ids: set[str]) -> None:
    """A licence's text is recognised however it is wrapped; a condition added to it makes it unknown."""
    assert recognised(text) == ids
    assert recognised("\n# ".join(text.upper().split())) == ids


@pytest.mark.parametrize(
    ("metadata", "texts", "expression"),
    [
        ({"license-expression": ["MIT OR Apache-2.0"]}, {}, "Apache-2.0 OR MIT"),
        ({"license-expression": ["mit"]}, {"LICENSE": MIT}, "MIT"),
        ({"classifier": [BSD]}, {"LICENSE.txt": BSD3}, "BSD-3-Clause"),
        ({"classifier": [BSD]}, {"LICENSE.txt": BSD2}, "BSD-2-Clause"),
        ({"classifier": [BSD]}, {}, None),
        ({"classifier": [BSD]}, {"LICENSE": MIT}, None),
        ({"classifier": ["License :: OSI Approved :: MIT License"]}, {}, "MIT"),
        ({"classifier": ["License :: OSI Approved :: MIT License"]}, {"LICENSE": APACHE}, "Apache-2.0 AND MIT"),
        ({"license": ["BSD 3-Clause"]}, {}, "BSD-3-Clause"),
        ({"license": ["BSD"]}, {}, None),
        ({"license": ["Proprietary"]}, {}, None),
        ({}, {"LICENSE": "All rights reserved"}, None),
        ({}, {"LICENSE.MIT": MIT, "LICENSE.BSD": BSD3}, "BSD-3-Clause AND MIT"),
        ({"classifier": ["License :: OSI Approved :: MIT License"]}, {"LICENSE": MIT + " Commons Clause"}, None),
        ({}, {}, None),
    ],
)
def test_licence_of_a_release(metadata: dict[str, list[str]], texts: dict[str, str], expression: str | None) -> None:
    """The expression counts, else text with classifiers; what leaves a doubt is unknown."""
    found = release_licence(metadata, texts)
    assert found.expression == expression
    assert bool(found.evidence) == bool(metadata or texts)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 1\n", "BSD-3-Clause"),
        ("# SPDX-License-Identifier: MIT\nx = 1\n", "MIT"),
        ("# SPDX-License-Identifier: Made-Up\nx = 1\n", None),
        ("# Licensed under the Apache License, Version 2.0\nx = 1\n", "Apache-2.0"),
        ('"""Vendored.\n\n' + MIT + '\n"""\nx = 1\n', "MIT"),
        ("x = 1\ntext = '''" + MIT + "'''\n", "BSD-3-Clause"),
    ],
)
def test_vendored_file_goes_by_its_own_header(text: str, expected: str | None) -> None:
    """A licence notice at the top of a file counts before the release's; one in its code does not."""
    assert file_licence(text, "BSD-3-Clause") == expected


def test_vendored_folder_goes_by_its_own_licence_file() -> None:
    """A file below a folder with a licence of its own has that one, unknown included."""
    assert file_licence("x = 1\n", "BSD-3-Clause", Licence("ISC")) == "ISC"
    assert file_licence("x = 1\n", "BSD-3-Clause", Licence(None)) is None


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("LICENSE", True),
        ("LICENCE.txt", True),
        ("COPYING.md", True),
        ("license_check.py", False),
        ("LICENSE-MIT", True),
    ],
)
def test_licence_files_are_known_by_name(name: str, is_one: bool) -> None:
    """Only a project's own licence file is taken for one."""
    assert is_licence_file(name) is is_one


@pytest.mark.parametrize(
    ("written", "expression"), [("apache-2.0", "Apache-2.0"), ("MIT AND MIT", "MIT"), ("BSD", None), ("", None)]
)
def test_expressions_are_normalised(written: str, expression: str | None) -> None:
    """An SPDX expression has one spelling; what is none is None."""
    assert normalised(written) == expression
