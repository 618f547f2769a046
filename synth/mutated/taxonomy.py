"""The taxonomy of mistakes: every mutation operator with the kind of bug it makes.

Kinds are those of DebugBench (Tian et al. 2024: condition, operation and variable errors, faulty indexing, undefined
objects and methods, illegal keywords; syntax errors are in `synth.mutated.syntax_bugs`, several at once in
`synth.bugs`), and those of the use of an API.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass

from synth.mutated import api_bugs as api
from synth.mutated import call_bugs as form
from synth.mutated import operators as plain
from synth.mutated.operators import Operator


@dataclass(frozen=True)
class Mistake:
    """One way to be wrong.

    Attributes:
        operator: What proposes it.
        kind: The `bug_kind` of its rows.
        weight: How readily it is drawn where it can be made: rare, telling and seldom equivalent ones more.
        nodes: What it looks at.
        sure: Whether it seldom leaves what passes: so it may be one of several, or stand where an exception is awaited.
        anywhere: Whether it also matters in statements on which nothing depends that a test looks at.
    """

    operator: Operator
    kind: str
    weight: float
    nodes: tuple[type[ast.AST], ...]
    sure: bool = False
    anywhere: bool = False


_CALL, _ASSIGN = (ast.Call,), (ast.Assign,)

MISTAKES: Mapping[str, Mistake] = {
    "changed_while_read": Mistake(api.changed_while_read, "missing copy", 40, (ast.For,)),
    "comparison_swap": Mistake(plain.comparison_swap, "condition error", 6, (ast.Compare,)),
    "foreign_word": Mistake(plain.foreign_word, "illegal keyword", 1, (ast.Constant,), sure=True),
    "function_as_method": Mistake(form.function_as_method, "wrong receiver", 2, _CALL, sure=True),
    "invented_name": Mistake(api.invented_name, "undefined function", 2, _CALL, sure=True),
    "lazy_result": Mistake(api.lazy_result, "misused result", 5, _CALL, sure=True),
    "lost_result": Mistake(api.lost_result, "misused result", 6, _ASSIGN),
    "method_as_function": Mistake(form.method_as_function, "wrong receiver", 1, _CALL, sure=True),
    "misspelt_keyword": Mistake(api.misspelt_keyword, "undefined keyword", 3, _CALL, sure=True),
    "missing_argument": Mistake(api.missing_argument, "missing argument", 2, _CALL, sure=True),
    "missing_await": Mistake(api.missing_await, "missing await", 40, (ast.Await,)),
    "missing_call": Mistake(api.missing_call, "missing call", 2, _CALL, sure=True),
    "missing_copy": Mistake(api.missing_copy, "missing copy", 40, (ast.Assign, ast.Call), anywhere=True),
    "missing_import": Mistake(plain.missing_import, "undefined object", 0.5, (ast.Import, ast.ImportFrom), sure=True),
    "missing_module": Mistake(form.missing_module, "wrong module", 6, _CALL, sure=True),
    "missing_return": Mistake(plain.missing_return, "missing return", 6, (ast.Return,)),
    "missing_statement": Mistake(plain.missing_statement, "missing statement", 3, (ast.Expr,)),
    "missing_unpacking": Mistake(form.missing_unpacking, "missing unpacking", 10, (ast.For, ast.comprehension)),
    "needless_call": Mistake(api.needless_call, "needless call", 1, _ASSIGN),
    "negated_condition": Mistake(plain.negated_condition, "condition error", 8,
                                 (ast.UnaryOp, ast.If, ast.While, ast.IfExp, ast.comprehension)),
    "none_kept": Mistake(api.none_kept, "misused result", 2, (ast.Expr,), sure=True),
    "off_by_one": Mistake(plain.off_by_one, "off by one", 3, _CALL),
    "packed_arguments": Mistake(form.packed_arguments, "argument packing", 2, _CALL, sure=True),
    "sorted_in_place": Mistake(api.sorted_in_place, "misused result", 20, _ASSIGN),
    "stale_name": Mistake(api.stale_name, "stale name", 20, _CALL, sure=True),
    "swapped_arguments": Mistake(api.swapped_arguments, "argument order", 2, _CALL),
    "swapped_results": Mistake(api.swapped_results, "misused result", 10, _ASSIGN, sure=True),
    "undefined_method": Mistake(api.undefined_method, "undefined method", 2, _CALL, sure=True),
    "undefined_object": Mistake(plain.undefined_object, "undefined object", 1, (ast.Name,), sure=True),
    "unpacked_argument": Mistake(form.unpacked_argument, "argument packing", 2, _CALL, sure=True),
    "unquoted_string": Mistake(form.unquoted_string, "unquoted string", 2, (ast.Call, ast.Subscript), sure=True),
    "wrong_attribute": Mistake(api.wrong_attribute, "wrong attribute", 3, (ast.Attribute,), sure=True),
    "wrong_brackets": Mistake(form.wrong_brackets, "wrong brackets", 3, (ast.Subscript,), sure=True),
    "wrong_class": Mistake(api.wrong_class, "wrong class", 1, (ast.Attribute,)),
    "wrong_constant": Mistake(plain.wrong_constant, "wrong constant", 4, _CALL),
    "wrong_default": Mistake(api.wrong_default, "wrong default", 4, (ast.arguments,)),
    "wrong_exception": Mistake(form.wrong_exception, "wrong exception", 2, (ast.ExceptHandler,), sure=True),
    "wrong_function": Mistake(api.wrong_function, "wrong function", 4, _CALL, sure=True),
    "wrong_index": Mistake(plain.wrong_index, "faulty indexing", 4, (ast.Subscript,)),
    "wrong_jump": Mistake(plain.wrong_jump, "wrong jump", 10, (ast.Break, ast.Continue)),
    "wrong_keyword": Mistake(api.wrong_keyword, "wrong keyword", 3, _CALL),
    "wrong_method": Mistake(api.wrong_method, "wrong method", 5, _CALL, sure=True),
    "wrong_operator": Mistake(plain.wrong_operator, "operation error", 6, (ast.BinOp, ast.BoolOp, ast.AugAssign)),
    "wrong_string": Mistake(plain.wrong_string, "wrong string", 3, _CALL, sure=True),
    "wrong_variable": Mistake(plain.wrong_variable, "variable error", 4, _CALL, sure=True),
}  # fmt: skip
"""Operator -> its mistake. Weights are from networkx's yields (docs/explanation/experiments.md)."""
