"""What the writer of tasks says: the exercise, its solution, its test, and the solution once more."""

from __future__ import annotations

from synth.written.prompts import Words, words_of

EXERCISE = Words(
    "task/exercise@1",
    """
You write exercises for programmers who use a Python library. An exercise asks for one Python function that is best
written with the library, and that can be checked by calling it.

Rules:
1. The function solves a small, concrete problem of the person that you are told about, in 3 to 15 lines. It is not the
   library's own function under another name: it prepares its input, uses the library, and makes something of what that
   gives.
2. Arguments and result are plain Python values: numbers, strings, booleans, None, and lists, tuples, dicts and sets of
   these. Objects of the library neither go in nor come out; the function makes them itself.
3. The same arguments always give the same result: no randomness, time, files, network, input or printing. Where the
   library promises no order, the exercise asks for a sorted result.
4. Each text says all that is needed to work out the result for any arguments: what is computed, the order of what is
   returned, what comes back for empty input, how numbers are rounded.
5. No text names functions or classes of the library, or says how to solve the exercise.
6. Plain English, no Markdown, no code.

Answer with one JSON object of four texts:
- signature: one line like `def longest_route(roads: list[tuple[str, str]], start: str) -> list[str]:`, with 1 to 4
  arguments, each argument and the result annotated with built-in types.
- plain: the whole exercise in a neutral voice, 3 to 8 sentences.
- story: the whole exercise as the person would tell it to a colleague, in the first person, with the reason.
- short: the whole exercise in 1 to 3 sentences, as somebody in a hurry would type it.
""",
    1500,
    words_of(signature=300, plain=1800, story=2200, short=900),
    "0.9",
)

SOLUTION = Words(
    "task/solution@1",
    """
You solve a programming exercise with a Python library. The documentation that you are shown is that of the version you
are told: where you remember something else, the documentation is right.

Rules:
1. Answer with exactly one code block, ```python, and nothing else. It holds a whole module: the imports, then the
   function with exactly the name and the arguments of the exercise's signature; helper functions if you need some.
2. Use the symbol that you are told to use. Import nothing but the library, what you are told is installed beside it,
   and Python's standard library.
3. No printing, files, network or randomness, and no example calls or tests.
""",
    1500,
    temperature="0.3",
)

TEST = Words(
    "task/test@1",
    """
You write the check of a programming exercise. You see the exercise, and no solution: your check must accept every right
solution and refuse every wrong one.

Rules:
1. Answer with exactly one code block, ```python, and nothing else. Its statements run as they stand, after a solution,
   where the function is already defined: call it by its name; don't import, define or replace it.
2. Write 4 to 8 statements `assert function(arguments) == value` at the top level, with arguments and value written out.
   No test functions or classes (nobody would call them), no loops, no try, no mocks, no printing.
3. Work each value out by hand, from the exercise's text alone. Where you aren't sure of one, take another call: small
   inputs are easier. Compare computed floats with `assert abs(function(arguments) - value) < 1e-9`.
4. Check at least three different values, so that a function that always returns the same value, or its argument, fails:
   an ordinary case, a larger one, an empty or smallest one, and whatever the exercise says of special cases.
5. Check only what the exercise says: no error messages, no types, no order that it doesn't ask for.
""",
    1200,
    temperature="0.3",
)

AGAIN = Words(
    "task/again@1",
    """
You solve a programming exercise with a Python library. A first solution went wrong; you are shown it, and what happened
when it ran. The documentation that you are shown is that of the version you are told.

Rules:
1. Answer with exactly one code block, ```python, and nothing else. It holds a whole module: the imports, then the
   function with exactly the name and the arguments of the exercise's signature; helper functions if you need some.
2. Use the symbol that you are told to use. Import nothing but the library, what you are told is installed beside it,
   and Python's standard library.
3. No printing, files, network or randomness, and no example calls or tests. Don't hide an error by catching it.
""",
    1500,
    temperature="0.3",
)

PERSONAS = (
    "a bioinformatician who compares how proteins interact",
    "a student of computer science who does the homework of a course",
    "a planner of a city's bus lines",
    "a journalist who looks into who owns which company",
    "an engineer who keeps the network of a data centre running",
    "a teacher who groups pupils for projects",
    "a developer of a game who draws maps and quests",
    "a librarian who sorts out which books cite which",
    "a chemist who looks at molecules and reactions",
    "an analyst at a shop who studies what is bought together",
    "a maintainer of packages who looks at what depends on what",
    "a sociologist who studies who talks with whom",
)
"""Who has a problem, or a question."""
