"""What is said to a model or a tool: patterns by rule, and how a text is written so that they see through disguises.

The patterns of what is said are matched on a paragraph in small letters whose words are one blank apart, without marks
of comments, quotes, commas and emphasis, invisible characters and look-alike letters (`said`).
"""

from __future__ import annotations

import re
import unicodedata

Rules = list[tuple[str, re.Pattern[str]]]

_ANY = r"(?:[^.!?\n ]{1,40} ){0,8}?"
_MODEL = (
    r"(?:(?:ai|llm|automated|autonomous|coding|language) (?:\w+ )?(?:model|assistant|agent|chatbot|bot|system|crawler)"
    r"|ai|llm|gpt|chatgpt|claude|gemini|copilot|artificial intelligence|(?:large )?language model|chatbot)s?"
)
_ORDERS = r"(?:instruction|prompt|directive|direction|guideline|rule|command|programming|training|message)s?"
_BEFORE = r"(?:previous|prior|preceding|earlier|former)"
_SECRETS = (
    r"(?:(?:this|the|our|your|entire|full|whole) (?:conversation|chat history|chat|system prompt|context|prompt)"
    r"|conversation history|your (?:instructions|memory)|environment variables|(?:all|any) (?:credentials|secrets"
    r"|api keys|tokens|passwords)|ssh keys?|private keys?|the user's [a-z]+)"
)
_THIS = (
    r"(?:this (?:page|document|documentation|file|text|site|website|code|content|comment|docstring|repository|readme"
    r"|must|should|shall)|these (?:docs|pages|files|instructions))"
)
_PEOPLE = r"(?! (?:\w+(?:er|or|ist|ian|ast|al)s?|team|lab|company|expert|student|startup)\b)"
"""What doesn't follow: `if you are an AI engineer` speaks to a reader."""

_COMMANDS = {
    "override": (
        rf"\b(?:ignore|disregard|forget) (?:all )?(?:of )?(?:the |your |my |these |those )?{_BEFORE} (?:\w+ ){{0,2}}?"
        r"(?:instruction|prompt|directive|direction|guideline)s?\b",
        r"\b(?:ignore|disregard|forget|override|bypass|discard) (?:all|any|every|everything)(?: of)?(?: the| your| my"
        rf"| these| those)? (?:{_BEFORE}|existing|original|above|other|safety|system) (?:\w+ ){{0,2}}?{_ORDERS}\b",
        r"\b(?:ignore|disregard|forget|override|bypass|discard|violate|(?:do not|don't|stop) follow(?:ing)?) your "
        r"(?:\w+ ){0,3}?(?:instructions|guidelines|programming|training|directives|system prompt|safety \w+)\b",
        rf"\b(?:ignore|disregard|forget) (?:all |everything )?(?:of )?(?:the |your )?(?:{_ORDERS} )?(?:above|so far"
        r"|you (?:were|have been) (?:given|told)) (?:\w+ )?(?:and|instead)\b",
        r"\b(?:ignore|disregard|forget) (?:all|any|everything|anything|what"
        r"|(?:all )?(?:of )?(?:the|your) (?:instruction|rule|guideline)s?) (?:that )?you "
        r"(?:were|have been|had been|got|received|had) ",
        r"\bdisregard (?:all )?(?:the |your )?(?:prior|previous|earlier) context\b",
        r"\byour (?:new|real|actual|true) (?:instructions?|directives?|task|goal|role|objective|purpose) (?:is|are)\b",
        r"\bnew (?:system )?instructions for (?:you\b|the (?:ai|assistant|model))",
    ),
    "address": (
        rf"\bif you(?:'re| are) (?:an? (?:\w+ )?)?{_MODEL}\b{_PEOPLE}",
        r"\b(?:note|notice|message|attention|warning|instructions?|important|reminder)(?: to| for)?(?: all| any| the)? "
        rf"{_MODEL} ?:",
        rf"(?:^|[.!?:] )(?:attention|dear|hey|hello)(?: all)? {_MODEL}\b{_PEOPLE}",
        rf"\b{_MODEL} (?:that (?:is|are) |which (?:is|are) |who (?:is|are) |is |are |currently )?"
        rf"(?:reading|processing|parsing|summari[sz]ing|scraping|indexing) {_THIS}\b",
        rf"\bas an? (?:\w+ )?{_MODEL} you (?:must|should|shall|will|need to|have to|are (?:required|now|not))\b",
        r"\bfetch the complete documentation index at\b",
    ),
    "concealment": (
        r"\b(?:do not|don't|never|without) (?:tell|telling|inform|informing|notify|notifying|alert|alerting) the "
        r"(?:user|human|developer|operator)s? (?:about |of )?(?:this|these|that you|what you)\b",
        r"\b(?:do not|don't|never) (?:mention|reveal|disclose|repeat) (?:any of )?(?:this|these|that|your) "
        r"(?:\w+ ){0,2}?(?:in your (?:answer|reply|response|output)|to the (?:user|human)|even if)\b",
    ),
    "disclosure": (
        r"\b(?:reveal|print|output|repeat|show|leak|display|recite) (?:me )?your (?:\w+ )?"
        r"(?:system|initial|hidden|secret|original) (?:prompt|instruction|message)s?\b",
    ),
    "exfiltration": (
        rf"\b(?:send|post|upload|transmit|exfiltrate|forward|leak|submit|append) {_ANY}{_SECRETS} (?:\w+ ){{0,3}}?(?:to"
        r"|at|via) (?:\w+ ){0,2}?https?:",
        rf"\bexfiltrate {_ANY}(?:to|via)\b",
    ),
    "order": (
        r"\bbefore (?:answering|responding|replying|continuing|you (?:answer|respond|reply|continue)) (?:you must "
        r"|please |first |always )?(?:run|execute|call|invoke|fetch|visit|open|read|send|download)\b",
        rf"\b(?:run|execute|call|invoke) {_ANY}without (?:asking|telling|informing) (?:the )?(?:user|human)\b",
        rf"\b(?:when|if|whenever)(?: the| a| any)? (?:user|human|developer)s? (?:asks?|requests?|inquires?) {_ANY}"
        r"(?:you must|you should always|always (?:say|reply|respond|answer|recommend|suggest)|respond with only"
        r"|tell them that)\b",
        rf"\byou must (?:now |always )?(?:respond|reply|answer|recommend) {_ANY}(?:to (?:the user|every|all)"
        r"|and nothing else)\b",
    ),
}  # fmt: skip
_PERSONA = (
    r"(?:^|[.!?:] )you(?:'re| are|'ll be| will be)(?: now| currently)?(?: acting as| playing)? (?:an?|the|my) "
    rf"(?:[\w-]+ ){{0,3}}?(?:{_MODEL}|assistant|dan|jailbroken|unrestricted)\b{_PEOPLE}",
    r"(?:^|[.!?:] )from now on you (?:are|will|must|should|shall)\b",
    r"\b(?:pretend|act|behave|respond) as (?:if|though) you (?:are|were|have) (?:\w+ ){0,2}?(?:no|without|not) "
    rf"(?:\w+ ){{0,2}}?(?:{_MODEL}|restriction|limit|filter|guideline)s?\b",
)
_START = r"(?:^|\n)[ \t>#*\-\[(<]{0,8}"
_CONVERSATION = {
    "turn": (
        _START + r"(?:system|assistant|developer)(?: (?:prompt|message|note|override|instructions?|update|notice))?"
        r"[\])>*]{0,4}[ \t]?:[*\s]{0,4}(?:you (?:are|must|will|should)|ignore|disregard|forget|from now|new instruction"
        r"|sure[,!]|understood|i will)\b",
        _START + r"(?:human|user)[*]{0,2}:[^\n]{1,400}\n{1,3}[ \t>#*]{0,8}(?:assistant|ai|bot|model)[*]{0,2}:",
        r"(?:begin|end|start)(?: of)?(?: the)? system prompt\b",
        r"</?(?:system|assistant|tool_calls?|tool_response|function_calls?|tool_result|system-reminder)>|<invoke name=",
    ),
    "token": (
        r"<\|(?:im_(?:start|end|sep)|system|user|assistant|endoftext|endofprompt|begin_of_text|end_of_text|eo[tm]_id"
        r"|(?:start|end)_header_id|tool_call|python_tag)\|>",
        r"\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>|\[/?(?:SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS)\]",
    ),
    "exfiltration": (
        r"!\[[^\]\n]{0,200}\]\([ ]?https?://[^)\n]{0,400}?(?:\{|<|\[|%7b)[^)\n]{0,20}?(?:conversation"
        r"|history|secret|prompt|context|message|password|credential|api_?key|summary)",
    ),
}  # fmt: skip


def _compiled(rules: dict[str, tuple[str, ...]]) -> Rules:
    return [(rule, re.compile("|".join(patterns), re.IGNORECASE)) for rule, patterns in rules.items()]


COMMANDS = _compiled(_COMMANDS)
"""Rule -> what tells a model to do something; matched on what `said` gives."""

FRAMING = _compiled({"persona": _PERSONA})
"""Rule -> what says who a model is; matched on what `said` gives."""

CONVERSATION = _compiled(_CONVERSATION)
"""Rule -> marks of a conversation's turns; matched on the text as it stands."""

_MODELS = (
    "ai ais llm llms gpt gpts chatgpt claude gemini copilot copilots artificial language chatbot chatbots automated "
    "autonomous coding"
)
_TOGETHER = tuple(
    (frozenset(one.split()), frozenset(other.split()))
    for one, other in (
        (
            "ignore disregard forget override bypass discard violate follow following",
            "instruction instructions prompt prompts directive directives direction directions guideline guidelines "
            "rule rules command commands message messages programming training above far told given safety context got "
            "received had were been",
        ),
        ("your", "new actual real true system initial hidden secret original"),
        ("new", "instructions"),
        (_MODELS, "you you're attention dear hey hello note notice message warning instruction instructions"),
        (_MODELS, "important reminder reading processing parsing summarizing summarising scraping indexing"),
        ("fetch", "documentation"),
        (
            "tell telling inform informing notify notifying alert alerting",
            "user users human humans developer developers",
        ),
        ("tell telling inform informing notify notifying alert alerting", "operator operators"),
        ("mention reveal disclose repeat", "answer reply response output user human even"),
        ("send post upload transmit exfiltrate forward leak submit append", "https http"),
        ("exfiltrate", "to via"),
        ("before", "answering responding replying continuing answer respond reply continue"),
        ("without", "asking telling informing"),
        ("user users human humans developer developers", "ask asks request requests inquire inquires"),
        ("must", "respond reply answer recommend"),
        ("you you're you'll", f"{_MODELS} assistant assistants dan jailbroken unrestricted"),
        ("from", "now"),
        ("pretend act behave respond", f"{_MODELS} restriction restrictions limit limits filter filters"),
        ("pretend act behave respond", "guideline guidelines"),
        ("system assistant developer", "are must will should ignore disregard forget from new sure understood"),
        ("human user", "assistant ai bot model"),
        ("system", "prompt"),
    )
)
"""Words of which, for any pattern over what is said and any turn to match, one on the left and one on the right stand
in the text: most have no such pair, and are read no further."""

_SMALL = re.compile(r"[a-z']+")
_SIGNS = (
    "<|", "[inst", "[/inst", "sys>>", "_of_turn>", "[system_", "[/system_", "[tool_", "[/tool_", "[available_",
    "[/available_", "![", "<invoke", "<system", "</system", "<assistant", "</assistant", "<tool_", "</tool_",
    "<function_", "</function_",
)  # fmt: skip
"""One of these stands in whatever else the patterns of a conversation match."""


def may_hold(text: str) -> bool:
    """Whether any pattern can match in a text: it is quick, and false for most."""
    small = text.lower()
    return not text.isascii() or _tells(small) or any(sign in small for sign in _SIGNS)


def _tells(small: str) -> bool:
    words = set(_SMALL.findall(small))
    return any(not (one.isdisjoint(words) or other.isdisjoint(words)) for one, other in _TOGETHER)


_GAPS = frozenset(' \t\n\r\f\v#*>|_~`,;\\"“”()-–—…\u00a0')
_LETTERS = {"’": "'"} | dict(zip("аеорсухіјѕԁɡοανιετκρυ", "aeopcyxijsdgoavietkpu", strict=True))
_UNSEEN = re.compile(
    "[\u00ad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)


def said(paragraph: str) -> tuple[str, list[int]]:
    """What a paragraph says, one blank between words, and for each of its characters where it stands.

    Empty where no pattern can match it.
    """
    if paragraph.isascii() and not _tells(paragraph.lower()):
        return "", []
    text: list[str] = []
    places: list[int] = []
    for place, character in enumerate(paragraph):
        for letter in _read(character):
            if letter == " " and (not text or text[-1] == " "):
                continue
            text.append(letter)
            places.append(place)
    return "".join(text), places


def _read(character: str) -> str:
    """A character as it is read: none, a blank, or small letters."""
    if character in _GAPS:
        return " "
    if character.isascii():
        return character.lower()
    if _UNSEEN.match(character):
        return ""
    parts = unicodedata.normalize("NFKD", _LETTERS.get(character.lower(), character)).lower()
    plain = "".join(part for part in parts if not unicodedata.combining(part))  # letters without their accents
    return " " if plain.isspace() else plain
