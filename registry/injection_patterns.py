"""What is said to a model or a tool: patterns by rule, and how a text is written so that they see through disguises.

The patterns of what is said are matched on a paragraph in small letters whose words are one blank apart, without marks
of comments, quotes, commas and emphasis, invisible characters and look-alike letters (`said`).
"""

from __future__ import annotations

import re
import unicodedata

from registry.injection_languages import COMMANDS as ELSEWHERE
from registry.injection_languages import TOGETHER

Rules = list[tuple[str, re.Pattern[str]]]

_ANY = r"(?:[^.!?\n ]{1,40} ){0,8}?"
_MODEL = (
    r"(?:(?:ai|llm|automated|autonomous|coding|language) (?:\w+ )?(?:model|assistant|agent|chatbot|bot|system|crawler)"
    r"|ai|llm|gpt|chatgpt|claude|gemini|copilot|artificial intelligence|(?:large )?language model|chatbot)s?"
)
_ORDERS = r"(?:instruction|prompt|directive|direction|guideline|guidance|rule|command|programming|training|message)s?"
_BEFORE = r"(?:previous|prior|preceding|earlier|former)"
_SECRETS = (
    r"(?:(?:this|the|our|your|entire|full|whole) (?:conversation|chat history|chat|system prompt|context|prompt)"
    r"|conversation history|your (?:instructions|memory)|environment variables|(?:all|any) (?:credentials|secrets"
    r"|api keys|tokens|passwords)|ssh keys?|private keys?|the user's [a-z]+|[^ \n]{0,40}(?:\.ssh/|id_rsa|id_ed25519"
    r"|\.aws/credentials|/etc/(?:passwd|shadow)|\.netrc|\.pgpass)[^ \n]{0,20}|your (?:conversation|chat|history"
    r"|context|messages))"
)
_FILES = (
    r"[^ \n]{0,40}(?:\.ssh/|id_rsa|id_ed25519|\.aws/credentials|/etc/(?:passwd|shadow)|\.env\b|\.netrc|\.pgpass)[^"
    r" \n]{0,20}"
)
_ASSISTANTS = r"(?:assistant|agent|model|bot|crawler|llm|ai)s?"
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
        rf"\b(?:your|the|all|any) (?:{_BEFORE}|original|old|existing) {_ORDERS} (?:are|is|were|have been|has been)"
        r" (?:now )?"
        r"(?:void|outdated|cancell?ed|superseded|obsolete|revoked|replaced|null|overridden|invalid)\b",
        rf"\b{_BEFORE} (?:instruction|prompt|directive|guideline)s? (?:are|were|is) (?:now )?(?:superseded|void"
        r"|revoked|overridden) by (?:this|these|the following)",
        r"\b(?:instruction|prompt|directive|guideline|task|order)s? (?:that )?you (?:were|have been|had been|got"
        r"|received) (?:\w+ )?"
        r"(?:given|told|before|earlier|previously|from) (?:\w+ ){0,5}?(?:no longer|are outdated|are void|do not"
        r" apply|and do)\b",
        r"\b(?:set|put|leave) aside (?:all )?(?:the |any |your )?(?:\w+ )?(?:instruction|prompt|guideline|rule)s? "
        r"(?:that )?you\b",
        r"\b(?:forget|abandon|drop) (?:the|your) (?:current |original )?(?:task|job|goal)s? (?:that )?you (?:were"
        r"|have been|had)\b",
        r"\bstop following (?:your|the) (?:system|original|previous|current|developer's?)\b",
        r"\b(?:do not|don't|never|stop) (?:follow|obey|heed|listen to)(?:ing)? (?:the |any )?(?:instruction|order"
        r"|request|command|wishe?)s? (?:of|from|by) (?:the |your )(?:user|developer|operator|human)",
        r"\b(?:disregard|ignore|forget) what(?:ever)? (?:the|your) (?:user|developer|operator|human|creator)s? "
        r"(?:\w+ ){0,2}?(?:ask|said|says|told|want|request)",
        r"\bwhat(?:ever)? the user (?:\w+ ){0,2}?(?:asked|said|wants|wanted|requested) (?:\w+ ){0,3}?(?:no longer"
        r"|does not|doesn't) (?:matter|count|appl)",
        r"\byou(?:'re| are) (?:no longer|not) bound by (?:your|any|the|these)\b",
        r"\byour (?:only|sole) (?:job|task|goal|purpose|objective|duty)(?: now| from now on| here)? is (?:now )?to\b",
        r"\b(?:ignore|disregard|forget) (?:all |everything |anything )(?:that (?:is |stands )?|written |said )?"
        r"(?:above|before) (?:this|here)\b",
        r"(?:^|[.!?:] )(?:ignore|disregard) the above (?:and|instead|then)\b",
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
        r"(?:^|[.!?:\]] ?)(?:important |instructions? |notes? |message |kind request |a word |advice |directions?"
        rf" )?(?:for|to) (?:all |any |every |the |our )?{_MODEL} ?:",
        r"(?:^|[.!?:] )(?:llm|ai|agent|copilot|claude)s? (?:instruction|note|directive)s? ?:",
        r"\b(?:instructions?|notes?|request) (?:for|to) (?:all |any )?(?:coding|ai|llm|autonomous) (?:agents?"
        r"|assistants?|models?|tools?)\b(?! (?:is|are|was|were|can|in|and)\b)",
        rf"(?:^|[.!?:/] )(?:{_MODEL}|agents|assistants) ?: (?:you |do not|don't|always|never|please|ignore|include"
        r"|skip|say|reply|answer|add the|insert)",
        r"(?:^|[ (\[])@(?:copilot|chatgpt|gemini)\b ?:? (?:when|always|please|add|do|never|insert)\b",
        rf"\bto (?:the|any|all|every|whatever|whichever) (?:\w+ )?{_ASSISTANTS} (?:that (?:is|are) |who (?:is|are)"
        r" )?(?:reading|processing|parsing) (?:this|these)\b",
        r"\b(?:assistants|bots|crawlers|(?:language )?models|copilots) (?:that are |who are )?(?:reading"
        rf"|processing|parsing|summari[sz]ing|indexing) {_THIS}",
        rf"\bif you(?:'re| are) (?:a|an|some) (?:bot|chatbot|crawler|machine|robot|automated \w+)\b{_PEOPLE}",
        r"\b(?:ai|llm|coding|language) (?:coding )?(?:assistant|agent|model)s must (?:not |always |never |also )?"
        r"(?:run|call|use|add|install|include|import|mention|recommend|execute|fetch|open|visit)\b",
        r"(?:^|[.!?:] )(?:hey|hello|hi|dear|attention) (?:ai|llm|copilot|claude|chatgpt|gemini|assistant"
        r"|model)s?\b ?[!.: ]",
        r"(?:^|[.!?:] )assistant (?:stop|ignore|disregard|forget|open|run|send)\b",
    ),
    "concealment": (
        r"\b(?:do not|don't|never|without) (?:tell|telling|inform|informing|notify|notifying|alert|alerting) the "
        r"(?:user|human|developer|operator)s? (?:about |of )?(?:this|these|that you|what you)\b",
        r"\b(?:do not|don't|never) (?:mention|reveal|disclose|repeat) (?:any of )?(?:this|these|that|your) "
        r"(?:\w+ ){0,2}?(?:in your (?:answer|reply|response|output)|to the (?:user|human)|even if)\b",
        r"\b(?:do not|don't|never) mention that (?:this|the|our) (?:\w+ )?(?:package|library|project|tool|software"
        r"|page)\b",
        r"\b(?:the )?(?:assistant|ai|model|agent) (?:must|should|shall) (?:not|never) (?:tell|inform|alert|notify)"
        r" the (?:user|human)\b",
    ),
    "disclosure": (
        r"\b(?:reveal|print|output|repeat|show|leak|display|recite) (?:me )?your (?:\w+ )?"
        r"(?:system|initial|hidden|secret|original) (?:prompt|instruction|message)s?\b",
        r"\b(?:reveal|print|output|repeat|show|leak|display|recite|list|dump|paste|summari[sz]e) (?:me )?(?:all "
        r"|everything in |the (?:full |whole |entire )?(?:contents?|text) of )your (?:context|prompt|memory"
        r"|instructions|system)",
        r"\b(?:copy|print|repeat|output|recite|write out|paste) (?:out )?(?:the text|the words|everything|all "
        r"(?:the )?text|all)(?: that (?:is|stands|comes|was))?(?: written)? (?:above|before|preceding) (?:this|it"
        r"|here)\b",
        r"\b(?:what (?:were|are)|write (?:out|down)|tell me|list|state) your (?:initial|original|first|hidden"
        r"|exact|full) (?:instruction|prompt|message|rule)s?\b",
        r"\bthe (?:api )?(?:key|token|credential|secret|password)s? (?:that )?you (?:were|are|have been) "
        r"(?:configured|given|provided|started|set up)\b",
    ),
    "exfiltration": (
        rf"\b(?:send|post|upload|transmit|exfiltrate|forward|leak|submit|append) {_ANY}{_SECRETS} (?:\w+ ){{0,3}}?(?:to"
        r"|at|via) (?:\w+ ){0,2}?https?:",
        rf"\bexfiltrate {_ANY}(?:to|via)\b",
        rf"\b(?:read|cat|open|load|print|run cat) (?:the |your |my )?{_FILES} (?:\w+ ){{0,2}}?(?:and|then) (?:\w+"
        r" )?(?:include|paste|send|post|append|upload|add|return|submit|put|show)",
        r"\b(?:encode|append|attach|add|put|include|embed) (?:the user's|your|this|the (?:last|whole|entire)) "
        rf"(?:\w+ )?(?:message|prompt|question|conversation|context|reply|history|input)s? {_ANY}https?:",
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
        r"\bwhen(?:ever)? (?:you )?(?:are )?(?:generat|suggest|complet|produc)(?:e|es|ing) (?:\w+ ){0,3}?code "
        r"(?:[^.!?\n ]{1,40} ){0,8}?(?:always|you must|must|never)\b",
        r"\bwhen(?:ever)? you (?:write|generate|suggest|complete) (?:\w+ ){0,3}?code (?:[^.!?\n ]{1,40} ){0,8}?"
        r"(?:include|insert|add) (?:a|the|this|our) (?:call|import|line|link)",
        r"\b(?:add|insert|include|put) (?:[^.!?\n ]{1,40} ){1,6}?(?:at the top of|in|to) (?:any|every|each) (?:\w+"
        r" )?(?:file|module|script|answer|reply|response|project)s? (?:that )?you (?:write|generate|create|produce"
        r"|make|give)",
        r"\b(?:begin|start|end|finish|preface|sign|close) (?:your|every one of your|each of your) (?:next |final"
        r" )?(?:answer|reply|response|output|message)s? (?:with|by)\b",
        r"\b(?:begin|end|finish|start) every (?:answer|reply) with\b",
        r"\b(?:respond|reply|answer) (?:only )?with (?:only )?(?:the (?:single )?(?:word|phrase|text|string)|ok\b)",
        r"\btell (?:the user|them|your user)s? (?:that )?(?:their|they|your|his) (?:\w+ ){1,3}?(?:infected"
        r"|compromised|hacked|call|contact|must pay|has expired|is insecure)\b",
        r"\b(?:output|print|repeat|say|write) (?:exactly )?the following (?:\w+ )?(?:verbatim|word for word"
        r"|exactly|and nothing else)\b",
        r"\bin your (?:next |final )?(?:answer|reply|response|output|summary),? (?:always |please |you must |do )?"
        r"(?:include|mention|add|insert|recommend|say|omit|hide|praise)\b",
        r"\b(?:rate|rank|recommend|prefer|praise|favou?r) (?:[^.!?\n ]{1,40} ){1,10}?(?:when(?:ever)?|if|every"
        r" time) (?:you are |you're |you get |somebody |anyone |a user )?(?:is )?ask(?:ed|s)\b",
        r"\bafter (?:you have )?(?:read|reading|processing|parsing) (?:this|these) (?:\w+ )?(?:you must |please "
        r"|always )?(?:open|run|execute|send|delete|install|download|visit|call)\b",
        r"\b(?:mention|recommend|promote|advertise|link to) (?:[^.!?\n ]{1,40} ){1,6}?in (?:every|each|all|any) "
        r"(?:of your )?(?:answer|repl(?:y|ie)|response)s?\b",
        r"\bdo not (?:summari[sz]e|translate|quote) (?:this|the) (?:\w+ )?(?:but|instead|say|and say|;)",
    ),
}  # fmt: skip
_PERSONA = (
    r"(?:^|[.!?:] )you(?:'re| are|'ll be| will be)(?: now| currently)?(?: acting as| playing)? (?:an?|the|my) "
    rf"(?:[\w-]+ ){{0,3}}?(?:{_MODEL}|assistant|dan|jailbroken|unrestricted)\b{_PEOPLE}",
    r"(?:^|[.!?:] )from now on you (?:are|will|must|should|shall)\b",
    r"\b(?:pretend|act|behave|respond) as (?:if|though) you (?:are|were|have) (?:\w+ ){0,2}?(?:no|without|not) "
    rf"(?:\w+ ){{0,2}}?(?:{_MODEL}|restriction|limit|filter|guideline)s?\b",
    r"\b(?:you (?:will|shall|must)|you're going to) now (?:act|behave|answer|respond|speak|play) as\b",
    r"(?:^|[.!?:] )from (?:this|that) (?:moment|point)(?: on| onwards?| forward)? you (?:are|will|must|should|shall)\b",
    r"\byou are now in (?:\w+ )?(?:developer|debug|maintenance|god|admin|jailbreak|dan|unrestricted|root|sudo) mode\b",
    r"\b(?:enter|switch to|activate|enable) (?:\w+ )?(?:developer|dan|god|jailbreak|unrestricted|evil) mode (?:\w+"
    r" ){0,6}?you (?:answer|are|can|will|must|obey)\b",
    r"\b(?:let's|we) play (?:a game|a role|roles) ?:? (?:\w+ ){0,4}?you(?:'re| are)\b",
    r"\b(?:imagine|suppose|pretend|assume) (?:that )?you(?:'re| are| were) (?:now )?(?:an? |the )?(?:\w+ )?"
    r"(?:terminal|shell|root|hacker|unfiltered|unrestricted|uncensored|evil|llm|ai)\b",
    r"\bpretend (?:that )?(?:all |the |your |no )?(?:safety|content|ethical|usage)? ?(?:filter|rule|guideline"
    r"|restriction|polic(?:y|ie))s? (?:do not|don't|doesn't|does not|never|no longer|exist)",
    r"\b(?:do anything now|answer without (?:any )?(?:limits?|restrictions?|filters?|rules)|(?:unfiltered"
    r"|uncensored|jailbroken) (?:model|assistant|ai|llm|mode|bot))\b",
    r"\b(?:stay|remain) in character\b|(?:^|[.!?:] )never refuse\b",
)
_START = r"(?:^|\n)[ \t>#*\-\[(<]{0,8}"
_CONVERSATION = {
    "turn": (
        _START + r"(?:system|assistant|developer)(?: (?:prompt|message|note|override|instructions?|update|notice))?"
        r"[\])>*]{0,4}[ \t]?:[*\s]{0,4}(?:you (?:are|must|will|should)|ignore|disregard|forget|from now|new instruction"
        r"|understood|i will|the user has|access granted)\b",
        _START + r"(?:system|assistant|developer)[\])>*]{0,4}[ \t]?:[*\s]{0,4}sure[,!]",
        _START + r"tool(?:_| )(?:result|response|output)s?[ \t]?: ?(?:the )?(?:user|operator|admin)",
        _START
        + r"#{2,4} ?(?:instruction|input|system|prompt)s?:[^#]{1,400}#{2,4} ?(?:response|assistant|output|answer):",
        _START + r"action:[^\n]{1,80}\n[ \t>#*]{0,8}action input:",
        r"\{\s*\"role\"\s*:\s*\"(?:system|assistant|developer|tool)\"\s*,\s*\"(?:content|tool_calls)\"\s*:",
        r"\{\s*\"name\"\s*:\s*\"\w{1,40}\"\s*,\s*\"(?:arguments|parameters|input)\"\s*:\s*\{",
        r"<parameter name=",
        _START + r"(?:human|user)[*]{0,2}:[^\n]{1,400}\n{1,3}[ \t>#*]{0,8}(?:assistant|ai|bot|model)[*]{0,2}:",
        r"(?:begin|end|start)(?: of)?(?: the)? system prompt\b",
        r"</?(?:system|assistant|tool_calls?|tool_response|function_calls?|tool_result|system-reminder)>|<invoke name=",
    ),
    "token": (
        r"<\|(?:im_(?:start|end|sep)|system|user|assistant|endoftext|endofprompt|begin_of_text|end_of_text|eo[tm]_id"
        r"|(?:start|end)_header_id|tool_call|python_tag|start|end|channel|message|return|call|constrain"
        r"|observation|turn"
        r"|(?:(?:start|end)_of_turn|system|user|chatbot)_token|[\w.-]{0,10}(?:begin|end)[▁_]of[▁_]\w{2,10})\|>",
        r"<｜[^｜\n]{1,30}｜>|<\|turn>|<turn\|>|\[gmask\]|<sop>",
        r"\[/?INST\]|<</?SYS>>|</?(?:start|end)_of_turn>|\[/?(?:SYSTEM_PROMPT|TOOL_CALLS|AVAILABLE_TOOLS)\]",
    ),
    "exfiltration": (
        r"!\[[^\]\n]{0,200}\]\([ ]?https?://[^)\n]{0,400}?(?:\{|<|\[|%7b)[^)\n]{0,20}?(?:conversation"
        r"|history|secret|prompt|context|message|password|credential|api_?key|summary)",
    ),
}  # fmt: skip


_MODELS = (
    "ai ais llm llms gpt gpts chatgpt claude gemini copilot copilots artificial language chatbot chatbots automated "
    "autonomous coding"
)
_VOID = "void outdated cancelled canceled superseded obsolete revoked replaced null overridden invalid longer apply and"
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
        (
            "ignore disregard forget abandon set put leave stop drop",
            "task job goal above before aside you developer's system current original what whatever guidance",
        ),
        ("follow obey heed listen following disregard ignore forget", "user developer operator human creator"),
        ("user", "matter count applies apply"),
        ("instructions instruction prompt prompts directives directive guidelines guideline previous prior", _VOID),
        ("bound only sole", "your any these"),
        (_MODELS, "for to all every must if hi"),
        (f"{_MODELS} agent agents assistant assistants", "do don't always never please ignore include skip say reply"),
        (
            f"{_MODELS} agent agents assistant assistants model models bots crawlers",
            "reading parsing processing indexing",
        ),
        ("bot chatbot crawler machine robot automated", "you you're"),
        (
            "assistant assistants agents models",
            "stop ignore disregard forget open run send must shall should hi hey hello dear",
        ),
        ("mention", "that every each all any"),
        (
            "reveal print output repeat show leak display recite list dump paste summarize copy write state tell"
            " read cat",
            "contents content text everything verbatim above before your following ssh id aws env netrc",
        ),
        ("key keys token tokens credential credentials secret password", "configured given provided started"),
        ("encode append attach add put include embed", "https http"),
        ("code", "always never must include insert add"),
        ("add insert include put", "you"),
        ("begin start end finish preface sign close respond reply answer", "with by"),
        ("your in every", "answer answers reply replies response responses output summary"),
        ("user users", "infected compromised hacked call contact insecure expired pay"),
        ("rate rank recommend prefer praise favor favour", "asked asks"),
        ("after", "reading read processing parsing"),
        ("summarize summarise translate quote", "but instead say"),
        (
            "now mode",
            "act behave answer respond speak play developer debug maintenance god admin jailbreak dan unrestricted",
        ),
        ("moment point play imagine suppose pretend assume", "you you're safety content ethical filters filter"),
        (
            "anything answer unfiltered uncensored jailbroken character never",
            "now without model assistant in refuse bot",
        ),
        ("tool action", "result response output input"),
        *TOGETHER,
    )
)
"""Words of which, for any pattern over what is said and any turn to match, one on the left and one on the right stand
in the text: most have no such pair, and are read no further."""

_SMALL = re.compile(r"[a-z']+")
_SIGNS = (
    "<|", "[inst", "[/inst", "sys>>", "_of_turn>", "[system_", "[/system_", "[tool_", "[/tool_", "[available_",
    "[/available_", "![", "<invoke", "<system", "</system", "<assistant", "</assistant", "<tool_", "</tool_",
    "<function_", "</function_", "<parameter name=", "<｜", "<turn|>", "[gmask]", "<sop>", '"role"', '"arguments"',
    '"parameters"', "action input:", "### ", "tool_result", "tool_response", "tool result", "tool output",
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
_LETTERS = {"’": "'"} | dict(zip("аеорсухіјѕԁɡοανιετκρυօɑɩℓєѵһӏԛԝ", "aeopcyxijsdgoavietkpuoailevhlqw", strict=True))
_LETTERS |= dict(zip("ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ", "abcdefghijklmnoprstuvwyz", strict=True))
_FILLERS = frozenset("\u2800\u3164")
"""Letters that are blank."""
_UNSEEN = re.compile(
    "[\u00ad\u034f\u115f\u1160\uffa0\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff"
    "\U000e0000-\U000e01ef]"
)
_MARKS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]")
_SCRIPTS = re.compile("[\u0400-\u052f\u3400-\u9fff]")
"""Letters of the languages whose words no list has: such a paragraph is read as a whole."""
_TABLE = {ord(letter): plain for letter, plain in _LETTERS.items()}
_TABLE |= {ord(letter.upper()): plain for letter, plain in _LETTERS.items() if len(letter.upper()) == 1}


def said(paragraph: str) -> tuple[str, list[int]]:
    """What a paragraph says, one blank between words, and for each of its characters where it stands.

    Empty where no pattern can match it.
    """
    if not (_SCRIPTS.search(paragraph) or _tells(_skimmed(paragraph))):
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


def _skimmed(paragraph: str) -> str:
    """The small letters that a paragraph is read as, quickly; where they stand is another matter."""
    if paragraph.isascii():
        return paragraph.lower()
    plain = unicodedata.normalize("NFKD", _UNSEEN.sub("", paragraph).translate(_TABLE))
    return _MARKS.sub("", plain).lower()


def _read(character: str) -> str:
    """A character as it is read: none, a blank, or small letters."""
    if character in _GAPS or character in _FILLERS:
        return " "
    if character.isascii():
        return character.lower()
    if _UNSEEN.match(character):
        return ""
    parts = unicodedata.normalize("NFKD", _LETTERS.get(character.lower(), character)).lower()
    plain = "".join(part for part in parts if not unicodedata.combining(part))  # letters without their accents
    return " " if plain.isspace() else plain


def _compiled(*tables: dict[str, tuple[str, ...]]) -> Rules:
    rules: dict[str, list[str]] = {}
    for table in tables:
        for rule, patterns in table.items():
            rules.setdefault(rule, []).extend(patterns)
    return [(rule, re.compile("|".join(patterns), re.IGNORECASE)) for rule, patterns in rules.items()]


def _as_said(patterns: tuple[str, ...]) -> tuple[str, ...]:
    """Patterns with the letters of other scripts as `said` reads them: Cyrillic ones that look like Latin ones are."""
    return tuple("".join(c if c.isascii() or c in "，：。！？" else _read(c) for c in p) for p in patterns)


_OTHER = {rule: _as_said(patterns) for rule, patterns in ELSEWHERE.items()}
COMMANDS = _compiled(_COMMANDS, {rule: p for rule, p in _OTHER.items() if rule != "persona"})
"""Rule -> what tells a model to do something; matched on what `said` gives."""

FRAMING = _compiled({"persona": _PERSONA}, {"persona": _OTHER["persona"]})
"""Rule -> what says who a model is; matched on what `said` gives."""

CONVERSATION = _compiled(_CONVERSATION)
"""Rule -> marks of a conversation's turns; matched on the text as it stands."""
