"""Stubs: the answer's program with the symbol it claims to show replaced by a function that returns None.

A test that passes on the stub says nothing about the symbol: it is vacuous.
"""

from __future__ import annotations

from registry.names import SymbolIndex
from registry.records import Program

_TEMPLATE = """\
import pkgutil

for _owner, _name in {places}:
    setattr(pkgutil.resolve_name(_owner), _name, {value})
"""


def stub(program: Program, symbol: str, index: SymbolIndex) -> Program:
    """The program in which `symbol` does nothing, under every public path that it has.

    Args:
        program: The answer.
        symbol: Canonical path of a function, class, method or attribute.
        index: The release's symbols.
    """
    known = index.by_path.get(symbol)
    paths = sorted({symbol, *(known.aliases if known is not None else ())})
    places = "".join(f'\n    ("{owner}", "{name}"),' for owner, _, name in (p.rpartition(".") for p in paths))
    value = "None" if known is not None and known.kind == "attribute" else "lambda *args, **kwargs: None"
    prefix = _TEMPLATE.format(places=f"({places}\n)", value=value)
    return Program(
        code=f"{prefix}\n{program.code}", test=program.test, files=program.files, entry_point=program.entry_point
    )
