"""What a note of deprecation is about: the whole object, one of its parameters, or a case of its use.

A directive stands in an object's text and seldom says so: `Passing None for *x* is deprecated` deprecates no function.
What is deprecated is the subject of the first sentence that says so. Where nothing says otherwise, a note is about the
object. A reading of English words, right for 98 of 100 real notes (`tests/scrapers/truth/notes.json`).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

_LONGEST = 600
"""Characters of a note that are looked at."""
_ROLE = re.compile(r":[\w:+.-]{1,30}:`[~!.]?([^`<]{0,200})(?:<[^`>]{0,200}>)?`")
_SENTENCE = re.compile(r"(?<=[.!?;:])\s+")
_GOES = re.compile(
    r"\b(?:(?:is|are|was|were|has been|have been|will be) "
    r"(?:(?:now|also|itself|considered|being|no longer|\w+ly) ){0,3}"
    r"(?:deprecated|legacy|discouraged|removed|unsupported|supported|renamed|moved|superseded|replaced|changed|"
    r"allowed)"
    r"\b|will (?:raise|no longer|change|stop|start|have to)\b|now (?:raises?|requires?|returns?|warns?|emits?)\b"
    r"|must be\b)",
    re.IGNORECASE,
)
"""What is said of something that goes, or that will act differently."""
_NAME = re.compile(r"`([^`]{1,80})`|(?<![*\w])\*(\w{1,60})\*(?!\*)")
_WORD = re.compile(r"[^\W\d]\w*")
_OBJECT = (
    r"(?:function|method|class|module|package|attribute|property|decorator|constant|exception|alias|abc|event|construct|"
    r"interface|object|api|helper|submodule|handler|accessor|routine|wrapper|command)"
)
_ITSELF = re.compile(rf"(?i)\b(?:this|the) (?:[\w-]+ ){{0,3}}{_OBJECT}(?: itself)?(?:,[^,.;]{{1,60}},)?$")
_SURELY = re.compile(rf"(?i)\bthis {_OBJECT} (?:is|has been|was) (?:now |also )?(?:deprecated|legacy)\b")
_OF_PARAMETER = re.compile(r"(?i)\b(?:param(?:eter)?|arg(?:ument)?|kwarg|keyword|option|flag)s?$")
_CASE = re.compile(
    r"(?i)^(?:not |explicitly |directly )?(?!(?:no|every|any|some)thing|string|warning|during|according|following)"
    r"[a-z]{2,20}ing\b(?! namespace)"  # passing, calling, using …
    r"|^(?:the )?(?:use|usage|creation|support|conversion|possibility|ability) (?:of|for|to)\b"
    r"|\b(?:if|when|whenever|unless|without|except|other than|by default|not specif\w+|not provided)\b"
    r"|[`)s] (?:with|that|whose|to) "
)
_ASPECT = re.compile(
    r"(?i)\b(?:behaviou?rs?|features?|logic|syntax(?:es)?|usages?|use|cases?|fallback|shorthand|style|convention|"
    r"conversion|coercion|casting|implementation|default|execution|namespace|notation|format|mode|values?|inputs?|combinations?|forms?|semantics|"
    r"exception raised|errors? raised|return type|result type|pattern|support)(?: (?:for|of|in|on) .{1,80})?$"
)
_PRONOUN = re.compile(r"(?i)\S\W+(?:and|but|so|however,?)? ?this$")
_IN_CASE = re.compile(r"(?i)^\W{0,2}(?:if|when|whenever|unless|where|except)\b")
_WARNED = re.compile(r"(?i)\bwarnings? (?:is|are|will be) (?:emitted|raised|issued|shown) (?:if|when|unless)\b")
_LISTED = re.compile(
    r"(?i)^(?:the )?(?:optional )?(?:parameters? |arguments? )?\*\w+\*(?:\W{1,5}(?:and |or )?\*\w+\*){0,6}\W"
)
"""`*a* and *b* are deprecated`, `The *flags* parameter.`"""


@dataclass(frozen=True)
class Scope:
    """What a note is about.

    Attributes:
        whole: Whether about the object as a whole.
        subject: The parameter that it is about; empty where it is none, or several, or a case of use.
    """

    whole: bool
    subject: str = ""


_WHOLE, _OF_A_CASE = Scope(whole=True), Scope(whole=False)


def scope_of(text: str, path: str, parameters: Collection[str] = ()) -> Scope:
    """What a note of deprecation is about.

    Args:
        text: The note on one line, in Markdown or in reST.
        path: Path of the object in whose text it stands.
        parameters: Names of its parameters.
    """
    plain = _ROLE.sub(r"`\1`", text[:_LONGEST]).replace("``", "`").replace("**", "").replace("’", "'").strip()
    if _SURELY.search(plain):
        return _WHOLE
    if _LISTED.match(f"{plain} ") and (named := _names(plain)):
        return Scope(whole=False, subject=named[0])
    own = {part.lstrip("_") or part for part in path.split(".")[-2:]}
    found = (_in_sentence(sentence, own, parameters) for sentence in _SENTENCE.split(plain))
    return next(filter(None, found), _WHOLE)


def _in_sentence(sentence: str, own: set[str], parameters: Collection[str]) -> Scope | None:
    """What a sentence is about; None where it doesn't say that something goes."""
    if _WARNED.search(sentence):
        return _OF_A_CASE
    goes = _GOES.search(sentence)
    if goes is None:
        return None
    subject, rest = sentence[: goes.start()].strip(), sentence[goes.end() :].strip()
    if re.search(r"(?i)\b(?:which|that)$", subject):
        return None
    if re.match("(?i)now|must", goes[0]):
        return _OF_A_CASE
    if not subject or _ITSELF.search(subject):
        return _OF_A_CASE if _IN_CASE.match(rest) else _WHOLE
    if (re.fullmatch("(?i)it", subject) and rest.startswith("to ")) or _IN_CASE.match(rest):
        return _OF_A_CASE
    return _of_subject(subject, own, parameters)


def _of_subject(subject: str, own: set[str], parameters: Collection[str]) -> Scope:
    names = _names(subject)
    given = [n for n in names if n in parameters and n not in own]
    marked = names or parameters or re.search(r"\w_\w", subject)
    if marked and _OF_PARAMETER.search(re.sub(r" ?\([^()]*\)", "", subject)):
        return Scope(whole=False, subject=(given or names or [""])[0])
    if _CASE.search(subject) or _PRONOUN.search(subject):
        using = re.match(r"(?i)(?:the )?(?:using|calling|importing|use of) (.*)", subject)
        found = _of_subject(using[1], own, parameters) if using and own & {*_WORD.findall(subject)} else _OF_A_CASE
        return found if found.whole else _OF_A_CASE
    words = {*names, *_WORD.findall(subject)}
    if own & words and not _ASPECT.search(subject):
        return _WHOLE
    if given and given == names:
        return Scope(whole=False, subject=given[0])
    return _OF_A_CASE if names or _ASPECT.search(subject) else _WHOLE


def _names(text: str) -> list[str]:
    """The last parts of the names that stand in marks."""
    found = (tick or star for tick, star in _NAME.findall(text))
    dotted = (name.partition("(")[0].strip() for name in found)
    return [name.rpartition(".")[2] for name in dotted if re.fullmatch(r"\.?[^\W\d]\w*(?:\.\w+)*", name)]
