"""What training costs beside a loop written by hand: `python benchmarks/train.py [--json]`.

A base of the quick start's shape is made (its weights don't matter here), and rows of the standard library's code: a
prompt and what comes next. Both sides train a LoRA adapter on the same rows with the same settings: rank, batch,
learning rate, bfloat16, threads. The loop by hand is as in peft's own examples: `AutoModelForCausalLM`,
`get_peft_model`, rows in their order, padded to the longest of a batch, `loss.backward()`, AdamW, with no logging and
no checkpoints. What counts is tokens of rows a second, padding left out, from the first step to the last; the sides
take turns.

* plain: driftune's `sft` step as it is, on rows as long as call sites' are.
* packed: the same with `packed = true`, on short rows.
* batched_eval: texts a second that `finetune.generation.Writer` writes, beside transformers' `generate` prompt by
  prompt; greedily, both with the cache of keys and values.

It takes about five minutes on two cores.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ratios import Result, Target, exit_code, in_turns, table

if TYPE_CHECKING:
    from finetune.bases import BaseModel
    from finetune.completions import Completion
    from finetune.steps.sft import SftSettings

PLAIN = Target("plain", 1.0)
PACKED = Target("packed", 1.3)
BATCHED = Target("batched_eval", 4.0)
STEPS = 24
PROMPTS = 64
NEW_TOKENS = 48
ROUNDS = 3
THREADS = 2

USUAL = (140, 0.9, 55)
SHORT = (30, 0.9, 24)
"""Characters of a prompt: their median, and the deviation of their logarithm; characters of what is learned after it.

The usual ones give networkx's call sites: prompts of 21, 47, 148 and 230 tokens at 10, 50, 90 and 99 per cent.
"""


def main() -> int:
    """Measures, prints and judges."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one object a line instead of the table")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="driftune-train-") as folder:
        results = measured(Path(folder))
    print("\n".join(r.line() for r in results) if arguments.json else table(results))
    return exit_code(results)


def measured(folder: Path) -> list[Result]:
    """All three figures."""
    from finetune import quiet
    from finetune.bases import TinyBase
    from finetune.corpus import standard_library
    from finetune.steps.sft import SftSettings

    code = [file.text for file in standard_library() if not file.held_out]
    with quiet.threads(THREADS):
        base = TinyBase(code).prepare(code[:50], {"steps": 1, "threads": THREADS}, folder / "bases")
        found = []
        for target, lengths, settings in (
            (PLAIN, USUAL, SftSettings(steps=STEPS)),
            (PACKED, SHORT, SftSettings(steps=STEPS, packed=True)),
        ):
            rows = drawn(code, lengths, settings.batch * settings.steps)
            sides = [partial(side, base, rows, settings, folder) for side in (ours, by_hand)]
            found.append(_compared(target, sides, "tokens/s"))
        prompts = [row.prompt for row in drawn(code, USUAL, PROMPTS)]
        sides = [partial(side, base, prompts) for side in (in_batches, one_by_one)]
        found.append(_compared(BATCHED, sides, "texts/s"))
    return found


def _compared(target: Target, sides: Sequence[Callable[[], float]], unit: str) -> Result:
    """The ratio of driftune's side to the other one, and what both gave on average."""
    rounds = in_turns(ROUNDS, sides)
    means = [f"{sum(each) / len(rounds):,.3g} {unit}" for each in zip(*rounds, strict=True)]
    shown = dict(zip(("driftune", "by hand"), means, strict=True))
    return Result(target, [mine / other for mine, other in rounds], shown)


def drawn(code: Sequence[str], lengths: tuple[int, float, int], count: int, seed: int = 0) -> list[Completion]:
    """Rows of code: a prompt of a drawn length, and what comes next."""
    from finetune.completions import Completion

    rng = random.Random(seed)
    median, deviation, after = lengths
    rows = []
    for text in rng.choices([text for text in code if len(text) > 4000], k=count):
        size = 1 + round(median * math.exp(deviation * rng.gauss(0, 1)))
        start = rng.randrange(max(1, len(text) - size - after))
        rows.append(Completion(text[start : start + size], text[start + size : start + size + after]))
    return rows


def ours(base: BaseModel, rows: Sequence[Completion], settings: SftSettings, folder: Path) -> float:
    """Tokens a second of driftune's step."""
    from finetune import tuning
    from finetune.recipe import LoraSettings
    from finetune.steps import sft

    with tempfile.TemporaryDirectory(dir=folder) as work:
        stage = tuning.tune(
            sft.STEP, settings, base, None, lambda: rows, Path(work), lora=LoraSettings(), threads=THREADS
        )
    return _tokens(base, rows, settings) / stage.seconds


def by_hand(base: BaseModel, rows: Sequence[Completion], settings: SftSettings, _folder: Path) -> float:
    """Tokens a second of the loop that is written by hand."""
    seconds = sum(spent for _, spent in loop(base, rows, settings))
    return _tokens(base, rows, settings) / seconds


def loop(base: BaseModel, rows: Sequence[Completion], settings: SftSettings) -> list[tuple[float, float]]:
    """Trains as one does with transformers and peft alone; loss and seconds of each step."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, get_linear_schedule_with_warmup, set_seed

    from finetune import completions, quiet

    tokenizer = AutoTokenizer.from_pretrained(base.path)
    model = AutoModelForCausalLM.from_pretrained(base.path, dtype="float32")
    set_seed(0)
    lora = LoraConfig(r=16, lora_alpha=16, target_modules="all-linear", task_type="CAUSAL_LM")
    with quiet.logging_off():
        model = get_peft_model(model, lora)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=0.0)
    schedule = get_linear_schedule_with_warmup(optimizer, max(1, settings.steps // 10), settings.steps)
    made = completions.encoded(rows, tokenizer, settings.max_tokens)
    model.train()
    told = []
    for start in range(0, len(made), settings.batch):
        since = time.perf_counter()
        batch = _padded(made[start : start + settings.batch], tokenizer.pad_token_id)
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(**batch).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        told.append((loss.item(), time.perf_counter() - since))
    return told


def _padded(rows: Sequence[Any], pad: int) -> dict[str, Any]:
    """Ids, labels and mask of a batch, each of shape (rows, tokens of the longest)."""
    import torch

    def side(name: str, fill: int) -> Any:
        found = [torch.tensor(row[name]) for row in rows]
        return torch.nn.utils.rnn.pad_sequence(found, batch_first=True, padding_value=fill)

    ids = side("input_ids", pad)
    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    mask = torch.arange(ids.shape[1])[None, :] < lengths[:, None]
    return {"input_ids": ids, "labels": side("labels", -100), "attention_mask": mask.long()}


def in_batches(base: BaseModel, prompts: Sequence[str]) -> float:
    """Texts a second of driftune's writer."""
    from finetune import tuning
    from finetune.generation import Prompt, Sampling, Writer

    writer = Writer(*tuning.load(base), Sampling(max_tokens=NEW_TOKENS))
    since = time.perf_counter()
    writer.write([Prompt(text) for text in prompts])
    return len(prompts) / (time.perf_counter() - since)


def one_by_one(base: BaseModel, prompts: Sequence[str]) -> float:
    """Texts a second of `generate`, called for each prompt."""
    import torch

    from finetune import quiet, tuning

    model, tokenizer = tuning.load(base)
    model.eval()
    since = time.perf_counter()
    with torch.inference_mode(), quiet.logging_off():
        for text in prompts:
            given = tokenizer(text, return_tensors="pt", return_token_type_ids=False)
            model.generate(**given, max_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=tokenizer.pad_token_id)
    return len(prompts) / (time.perf_counter() - since)


def _tokens(base: BaseModel, rows: Sequence[Completion], settings: SftSettings) -> int:
    """Tokens of the rows, as they are trained on."""
    from transformers import AutoTokenizer

    from finetune import completions

    tokenizer = AutoTokenizer.from_pretrained(base.path)
    return sum(completions.tokens(row) for row in completions.encoded(rows, tokenizer, settings.max_tokens))


if __name__ == "__main__":
    sys.exit(main())
