"""`driftune vllm-stub`: a server that speaks vLLM's interface for LoRA adapters, where there is no GPU.

    engine      a real base and real adapters on the CPU, and what vLLM does to them
    wire        what may be asked, and errors in vLLM's form
    server      the addresses, and the server as a process

Guarantees: log-probabilities are those of the base and the adapter as peft computes them, so a canary means something;
status codes, bodies and metrics are vLLM's, as read in its source of 2026 (`entrypoints/openai/models/serving.py`,
`v1/core/kv_cache_utils.py`, `v1/metrics/loggers.py`). What goes wrong there goes wrong here:

* An adapter whose modules are called otherwise than the base's is loaded without a word, and gives the base's output.
* The prefix cache goes by the adapter's *name*: another adapter under a name that was used before answers with the
  former one's keys and values. Log-probabilities of a prompt don't read the cache, so no canary sees it.
* Above `max_cpu_loras` the adapter that was used longest ago leaves memory and is read again from its folder when it is
  asked for; until then it can't be unloaded (500).
* A name that is taken is 400, one that is unknown 404, and without VLLM_ALLOW_RUNTIME_LORA_UPDATING there is no such
  address at all (404).
* A request whose adapter is unloaded while it runs fails.
* After a restart nothing is loaded.

Non-guarantees: no streaming, no chat, no sampling but greedy and by seed, and it is slow.
"""
