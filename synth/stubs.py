"""Stubs: the answer's program with the symbol it claims to show replaced by a function that returns None.

A test that passes on the stub says nothing about the symbol: it is vacuous.
"""

from __future__ import annotations

from registry.names import SymbolIndex
from registry.records import Program

_TEMPLATE = """\
import pkgutil

for _owner in {owners}:
    setattr(pkgutil.resolve_name(_owner), {name!r}, {value})
"""


def stub(program: Program, symbol: str, index: SymbolIndex) -> Program:
    """The program in which `symbol` does nothing, under every public path that it has.

    Args:
        program: The answer.
        symbol: Canonical path of a function, class, method or attribute.
        index: The release's symbols.
    """
    owners = sorted({path.rpartition(".")[0] for path in paths_of(symbol, index)})
    known = index.by_path.get(symbol)
    value = "None" if known is not None and known.kind == "attribute" else "lambda *args, **kwargs: None"
    prefix = _TEMPLATE.format(
        owners="(" + ", ".join(f'"{o}"' for o in owners) + ",)", name=symbol.rpartition(".")[2], value=value
    )
    return Program(
        code=prefix + "\n" + program.code, test=program.test, files=program.files, entry_point=program.entry_point
    )


def paths_of(symbol: str, index: SymbolIndex) -> list[str]:
    """Every public path of a symbol that ends in its own name, sorted."""
    known = index.by_path.get(symbol)
    aliases = known.aliases if known is not None else ()
    name = symbol.rpartition(".")[2]
    return sorted({symbol, *(a for a in aliases if a.rpartition(".")[2] == name)})
