"""`driftune llm-stub`: a scripted server that speaks OpenAI's chat completions, for tests and demos without an LLM.

    wire        what of the protocol is spoken: requests, answers, errors, how tokens are counted
    excerpts    what a text holds: fenced data, code blocks, statements of doctests
    prompts     what a writer asked, taken apart
    shown       what the examples of an excerpt show, and programs that do the same
    templates   what is said to each step of each writer
    answers     which of them answers a request, and what else does
    instances   values that fit a JSON schema
    recorded    answers from a file
    limits      rate limits
    faults      what an endpoint or a model does wrong, on demand
    obeying     a model that does what anything outside the fence tells it to
    served      one request: from its body to its answer, and what of it stands in the ledger
    ledger      what was asked, and what it would have cost
    batches     files and batches
    server      the addresses, and the server as a process

Guarantees: the same request gets the same answer under the same seed, whatever came before it or beside it; `usage`
is exact by the rule in `wire`; it listens on loopback only. Non-guarantees: that an answer is right or reads well. No
claim about quality is made of rows that it wrote.
"""
