"""Search over symbols and changes: each word must stand in a name, in other names of it, or in what is said of it."""

from __future__ import annotations

from collections.abc import Collection

from registry.server.pages.questions import Questions, Row

LIMIT = 40
"""Results that are shown of each sort."""

_WORDS = 6
_LONGEST = 100


def words(query: str) -> list[str]:
    """The words that are looked for, in lower case."""
    return query.lower()[:_LONGEST].split()[:_WORDS]


def releases(questions: Questions, domains: Collection[str]) -> list[str]:
    """The releases that these domains have rows of: what nobody may know of a private domain's library stays out."""
    found = questions.kept("SELECT DISTINCT domain, unnest(releases) AS release FROM examples")
    return sorted({str(row["release"]) for row in found if row["domain"] in domains})


def symbols(questions: Questions, query: str, domains: Collection[str]) -> list[Row]:
    """Symbols, one line a path with the versions that have it: those whose last part is the word first."""
    return questions.ask(
        rf"""
        SELECT path, any_value(kind) AS kind, arg_max(signature, since) AS signature, arg_max(id, since) AS id, library,
               list(version ORDER BY since, version) AS versions, arg_max(doc, since) AS doc,
               arg_max(deprecated, since) AS deprecated
        FROM (
            SELECT s.id, s.path, s.kind, s.signature, s.deprecated, r.library, r.version,
                   coalesce(epoch(r.released_at), 0) AS since,
                   regexp_extract(coalesce(s.doc, ''), '[^\n]*[A-Za-z][^\n]*') AS doc,
                   lower(s.path || ' ' || array_to_string(s.aliases, ' ')) AS names,
                   lower(coalesce(s.doc, '')) AS said
            FROM symbols s JOIN releases r ON r.id = s.release
            WHERE list_contains($releases, s.release)
        ) WHERE {_all("names || ' ' || said")}
        GROUP BY path, library
        ORDER BY min(CASE WHEN split_part(lower(path), '.', -1) = $first THEN 0
                          WHEN split_part(lower(path), '.', -1) LIKE $first || '%' THEN 1
                          WHEN contains(names, $first) THEN 2 ELSE 3 END), length(path), path
        LIMIT {LIMIT}
        """,
        releases=releases(questions, domains), query=words(query), first=words(query)[0],
    )  # fmt: skip


def changes(questions: Questions, query: str, domains: Collection[str]) -> list[Row]:
    """Changes: those whose symbol or replacement has the word before those of which only the evidence has it."""
    return questions.ask(
        f"""
        SELECT * EXCLUDE (names, said) FROM (
            SELECT c.id, c.symbol, c.kind, c.replacement, o.library, o.version AS old_version,
                   n.version AS new_version, lower(c.symbol || ' ' || coalesce(c.replacement, '')) AS names,
                   lower(coalesce(c.evidence, '')) AS said
            FROM changes c JOIN releases o ON o.id = c.old JOIN releases n ON n.id = c.new
            WHERE list_contains($releases, c.new)
        ) WHERE {_all("names || ' ' || kind || ' ' || said")}
        ORDER BY CASE WHEN split_part(lower(symbol), '.', -1) = $first THEN 0
                      WHEN contains(names, $first) THEN 1 ELSE 2 END, length(symbol), symbol, kind
        LIMIT {LIMIT}
        """,
        releases=releases(questions, domains), query=words(query), first=words(query)[0],
    )  # fmt: skip


def symbol(questions: Questions, symbol_id: str, domains: Collection[str]) -> list[Row]:
    """A symbol at each release that has it, newest first; empty where there is none that may be seen."""
    return questions.ask(
        "SELECT s.id, s.path, s.aliases, s.kind, s.signature, s.doc, s.deprecated, r.library, r.version"
        " FROM symbols s JOIN releases r ON r.id = s.release"
        " WHERE list_contains($releases, s.release) AND (s.path, r.library) IN"
        " (SELECT (m.path, x.library) FROM symbols m JOIN releases x ON x.id = m.release WHERE m.id = $id)"
        " ORDER BY r.released_at DESC NULLS LAST, r.version DESC",
        releases=releases(questions, domains), id=symbol_id,
    )  # fmt: skip


def changes_of(questions: Questions, path: str, domains: Collection[str]) -> list[Row]:
    """The changes of a symbol."""
    return questions.ask(
        "SELECT c.id, c.symbol, c.kind, c.replacement, o.library, o.version AS old_version, n.version AS new_version"
        " FROM changes c JOIN releases o ON o.id = c.old JOIN releases n ON n.id = c.new"
        " WHERE c.symbol = $path AND list_contains($releases, c.new) ORDER BY c.kind, c.id",
        releases=releases(questions, domains), path=path,
    )  # fmt: skip


def _all(text: str) -> str:
    """SQL: whether each of `$query`'s words stands in a text."""
    return f"len(list_filter($query, lambda word: contains({text}, word))) = len($query)"
