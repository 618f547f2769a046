"""What is said to a model in German, French, Spanish, Chinese and Russian: patterns by rule, as those of English.

They see a paragraph in small letters without accents and marks; `registry.injection_patterns.said` makes it.
"""

from __future__ import annotations

_DE_MODEL = (
    r"(?:ki|llm|gpt|chatgpt|claude|copilot)(?:[ -]?(?:assistent|agent|modell|bot|system)\w{0,4})?|sprachmodell\w{0,3}"
)
_DE_ORDERS = r"(?:anweisung|instruktion|vorgabe|richtlinie|regel|befehl|prompt|eingabe|auftrag|auftrage)\w{0,3}"
_DE_BEFORE = r"(?:vorherig|vorig|bisherig|fruher|vorangegangen|obig|ursprunglich)\w{1,3}"
_FR_MODEL = (
    r"(?:assistants?|agents?|modeles?|robots?)(?: de langage)?(?: d')?(?: ?(?:ia|ai|llm|intelligence"
    r" artificielle))|chatgpt|claude|copilot"
)
_FR_ORDERS = r"(?:instruction|consigne|directive|regle|ordre|commande|indication|prompt|invite)s?"
_FR_BEFORE = r"(?:precedent|anterieur|initial|originel)(?:e|s|es)?|ci-dessus|d'avant"
_ES_MODEL = (
    r"(?:asistente|agente|modelo|bot)s?(?: de)?(?: (?:ia|ai|llm|lenguaje|inteligencia artificial))|chatgpt|claude"
    r"|copilot"
)
_ES_ORDERS = (
    r"(?:instruccion(?:es)?|indicacion(?:es)?|directriz|directrices|orden(?:es)?|regla[s]?|mensaje[s]?|prompt[s]?)"
)
_ES_BEFORE = r"(?:anterior(?:es)?|previ[ao]s?|precedentes?|de arriba|originales|iniciales)"
_ZH_BEFORE = "(?:之前|以前|先前|此前|前面|以上|上述|上面|原有|原来|已有)"
_ZH_ORDERS = "(?:指令|指示|提示词?|说明|规则|命令|要求|设定)"
_ZH_MODEL = (
    "(?:ai ?(?:助手|助理|模型|代理|智能体)?|人工智能(?:助手|助理|模型)?|大?语言模型|大模型|智能体|聊天机器人"
    "|chatgpt|claude)"
)
_RU_ORDERS = r"(?:инструкци|указани|команд|правил|директив|промпт|распоряжени|установк)\w{0,3}"
_RU_BEFORE = r"(?:предыдущ|прежн|прошл|предшествующ|вышеуказанн|вышеизложенн|исходн|ранее данн)\w{1,3}"
_RU_MODEL = (
    r"(?:ии|ai|llm|chatgpt|claude)(?:[ -]?(?:ассистент|агент|модел|помощник|бот)\w{0,3})?|(?:языков\w{2,3}"
    r" модел\w{1,3})|нейросет\w{1,3}"
)
_SOME = r"(?:[^.!?\n ]{1,25} ){0,4}?"

COMMANDS: dict[str, tuple[str, ...]] = {
    "override": (
        rf"\b(?:ignorier\w{{0,3}}|missacht\w{{0,3}}|vergiss|vergesst|vergessen sie|verwirf|ubergeh\w{{0,3}}"
        rf"|umgeh\w{{0,3}}) {_SOME}"
        rf"(?:{_DE_BEFORE} (?:\w+ )?{_DE_ORDERS}|system-?prompts?\b|(?:deine|eure|ihre) (?:\w+ )?{_DE_ORDERS})",
        r"\b(?:ignorier\w{0,3}|vergiss|vergesst|vergessen sie) (?:bitte )?(?:alles|was),? ?(?:was )?(?:dir|euch"
        r"|ihnen|du|ihr|sie|man dir) ",
        rf"\bbefolge? (?:\w+ )?(?:nicht|keine) {_SOME}{_DE_BEFORE} {_DE_ORDERS}",
        r"\b(?:ignore[zr]?|oublie[zr]?|neglige[zr]?|ecarte[zr]?|contourne[zr]?|(?:ne )?(?:tiens|tenez) (?:pas"
        rf"|aucun) compte) {_SOME}"
        rf"{_FR_ORDERS} (?:\w+ )?(?:{_FR_BEFORE})\b",
        r"\b(?:ignore[zr]?|oublie[zr]?) (?:tout )?ce qu(?:e l'on|'on|i) (?:t'|te|vous|tu)",
        r"\b(?:ignor[ae]n?|olvid[ae]n?|desestim[ae]n?|descart[ae]n?|haz caso omiso|haga caso omiso|no (?:sigas"
        rf"|siga|hagas caso)) {_SOME}"
        rf"{_ES_ORDERS} (?:\w+ )?{_ES_BEFORE}\b",
        r"\b(?:ignor[ae]n?|olvid[ae]n?) todo lo que (?:se )?(?:te|le|os|les) ",
        rf"(?:忽略|无视|忘记|忘掉|不要理会|不要遵守|不要遵循|抛弃|跳过|覆盖)[^。！？\n]{{0,8}}?{_ZH_BEFORE}[^。！？\n]{{0,10}}?{_ZH_ORDERS}",
        rf"(?:忽略|无视|忘记|忘掉|不要遵守)(?:你|您)[^。！？\n]{{0,10}}?{_ZH_ORDERS}",
        rf"\b(?:игнориру\w{{1,4}}|проигнориру\w{{1,4}}|забуд\w{{1,3}}|отброс\w{{1,3}}|отмени\w{{0,2}}|не (?:следуй"
        rf"|обращай)\w{{0,2}}) {_SOME}"
        rf"{_RU_BEFORE} (?:\w+ )?{_RU_ORDERS}",
        r"\bзабуд\w{1,3} (?:все|обо всем),? (?:что|о чем) (?:тебе|вам|ты|вы) ",
    ),
    "address": (
        rf"\b(?:wenn|falls|sofern) (?:du|sie|ihr) (?:ein\w{{0,2}} )?(?:{_DE_MODEL})\b",
        r"\b(?:hinweis|nachricht|anweisung(?:en)?|achtung|wichtig|mitteilung)(?: \w+)? (?:fur|an) (?:alle |die"
        rf" )?(?:{_DE_MODEL})\b ?:",
        rf"(?:^|[.!?:] )(?:achtung|liebe\w?|hallo|an)(?: alle)? (?:{_DE_MODEL})\b ?[:!]",
        rf"\bsi (?:vous etes|tu es) (?:une? )?(?:{_FR_MODEL})\b",
        r"\b(?:note|message|instructions?|attention|avis)(?: importante?)? (?:aux?|pour (?:les?|l')|a l'attention"
        rf" des?) ?(?:{_FR_MODEL}) ?:",
        rf"\bsi (?:eres|usted es|es usted|sois) (?:una? )?(?:{_ES_MODEL})\b",
        r"\b(?:nota|mensaje|instruccion(?:es)?|atencion|aviso)(?: importante)? (?:para|a) (?:los? |las? |el"
        rf" )?(?:{_ES_MODEL}) ?:",
        rf"如果(?:你|您)是[^。！？\n]{{0,6}}?{_ZH_MODEL}",
        rf"{_ZH_MODEL}(?:请注意|注意|必须|应当|务必|:|：)|(?:致|给|写给)(?:所有|各位)?{_ZH_MODEL}(?:的)?(?:说明|提示|指令|:|：)",
        rf"\bесли (?:ты|вы) [-—]? ?(?:{_RU_MODEL})",
        rf"\b(?:внимание|примечание|сообщение|инструкци\w|важно)(?: для)?(?: всех)? (?:{_RU_MODEL}) ?:",
    ),
    "concealment": (
        r"\b(?:sag|sage|sagt|sagen sie|erzahl\w?|verrate?) (?:dem|den|der) (?:nutzer|benutzer|anwender"
        r"|menschen)\w{0,3} (?:nichts|nicht)\b",
        r"\b(?:informiere?|benachrichtige?) (?:den|die) (?:nutzer|benutzer|anwender)\w{0,3} nicht\b",
        r"\bne (?:dis|dites|parle|parlez|revele|revelez|mentionne|mentionnez) (?:pas|rien|jamais) a l'utilisat\w+",
        r"\bno (?:le )?(?:digas?|diga|informes?|menciones?|cuentes?|reveles?) (?:nada )?al? (?:usuario|humano)",
        r"(?:不要|别|请勿|切勿|禁止)(?:告诉|告知|通知|提醒|透露给|向)(?:用户|使用者|人类)",
        r"\bне (?:говори|говорите|сообщай|сообщайте|рассказывай|упоминай)\w{0,2} (?:об этом )?пользовател\w{1,3}",
    ),
    "disclosure": (
        r"\b(?:gib|gebt|zeig\w?|nenne?|verrate?|wiederhol\w{1,2}|schreib\w?) (?:\w+ )?(?:deine[nr]?|eure[nr]?"
        r"|ihre[nr]?) (?:\w+ )?system-?(?: ?prompt|anweisung\w{0,2})\b",
        r"\b(?:affiche[rz]?|montre[rz]?|revele[rz]?|repete[rz]?|donne[rz]?)(?:-moi)? (?:ton|ta|votre|tes|vos)"
        r" (?:prompt|invite|instructions?|consignes?)(?: (?:de )?(?:systeme|initiale?s?))\b",
        r"\b(?:muestra|revela|repite|imprime|escribe|dime|muestre|revele) (?:tus?|sus?) (?:prompt|mensaje"
        r"|instrucciones|indicaciones)(?: (?:del? )?(?:sistema|iniciales))\b",
        r"(?:输出|显示|打印|泄露|透露|重复|告诉我|说出)(?:你|您)的(?:系统|初始|原始|隐藏)(?:提示词?|指令|设定|消息)",
        r"\b(?:выведи|покажи|раскрой|повтори|напиши|назови)\w{0,2} (?:свой|свои|твой|твои|ваш|ваши)"
        r" (?:системн\w{2,3}|исходн\w{2,3}|начальн\w{2,3}) (?:промпт|инструкци|сообщени)\w{0,2}",
    ),
    "persona": (
        rf"(?:^|[.!?:] )(?:du bist|ihr seid|sie sind) (?:jetzt|nun|ab jetzt|ab sofort) (?:ein\w{{0,2}} )?{_SOME}"
        r"(?:assistent|modell|dan\b|ki\b)",
        r"\b(?:ab jetzt|ab sofort|von nun an) (?:bist|wirst|musst|sollst|antwortest) du\b",
        rf"(?:^|[.!?:] )(?:tu es|vous etes) (?:maintenant|desormais) (?:une? )?{_SOME}(?:assistant|modele|ia\b|dan\b)",
        r"\b(?:a partir de maintenant|desormais),? (?:tu|vous) (?:es|etes|dois|devez|seras|serez|reponds|repondrez)\b",
        rf"(?:^|[.!?:] )(?:ahora eres|eres ahora|ahora es usted) (?:una? )?{_SOME}(?:asistente|modelo|ia\b|dan\b)",
        r"\b(?:a partir de ahora|desde ahora),? (?:eres|seras|debes|responderas)\b",
        r"(?:你|您)(?:现在|从现在起|从现在开始)(?:是|扮演|将成为|作为)[^。！？\n]{0,14}?(?:助手|模型|人工智能|ai|dan)",
        r"从现在(?:起|开始)[，,]?(?:你|您)(?:必须|将|要|应)",
        rf"\b(?:теперь (?:ты|вы)|(?:ты|вы) теперь) [-—]? ?{_SOME}(?:ассистент|модел|помощник|ии\b|дан\b)",
        r"\b(?:с этого момента|отныне) (?:ты|вы) ",
    ),
}
"""Rule -> patterns, as people write them: `said` reads letters that look alike as one."""

TOGETHER = (
    ("ignoriere ignoriert ignorieren missachte missachtet vergiss vergesst vergessen verwirf umgehe befolge befolgt",
     "anweisungen anweisung instruktionen vorgaben richtlinien regeln befehle prompt prompts eingaben alles was"),
    ("wenn falls sofern hinweis nachricht achtung wichtig liebe hallo anweisung anweisungen mitteilung",
     "ki sprachmodell sprachmodelle llm llms chatgpt claude copilot"),
    ("sag sage sagt sagen verrate verrat informiere benachrichtige", "nutzer nutzern benutzer anwender menschen"),
    ("gib zeig zeige nenne verrate wiederhole schreib schreibe", "systemprompt system systemanweisungen"),
    ("bist seid", "jetzt nun sofort"),
    ("ignore ignorez ignorer oublie oubliez tiens tenez negligez",
     "instructions instruction consignes consigne directives directive regles ordres prompt tout ce"),
    ("si note message instructions attention avis", "assistant assistants agent agents ia chatgpt claude copilot"),
    ("ne", "l'utilisateur l'utilisatrice"),
    ("affiche affichez montre montrez revele donne", "prompt instructions invite consignes"),
    ("es etes", "maintenant desormais"),
    ("partir desormais", "maintenant ahora tu vous"),
    ("ignora ignore olvida olvide omiso sigas siga desestima descarta",
     "instrucciones indicaciones directrices ordenes reglas mensajes prompt prompts todo"),
    ("si nota mensaje instrucciones atencion aviso",
     "asistente asistentes agente agentes modelo modelos ia chatgpt claude copilot"),
    ("digas diga informes menciones cuentes reveles", "usuario humano"),
    ("muestra revela repite imprime escribe dime", "prompt mensaje instrucciones"),
    ("eres", "ahora"),
)  # fmt: skip
"""Words of which one on the left and one on the right stand in a text of ASCII for any of these to match."""
