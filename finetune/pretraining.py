"""Training the tiny base: a tokenizer, then a causal language model, in plain torch.

Steps are counted, not timed, and the order of batches is a function of the seed and the step alone: a run that was
killed goes on from its checkpoint and ends in the same bytes.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.checkpoints import room
from registry.errors import TrainingError
from registry.storage import storage

if TYPE_CHECKING:
    import numpy as np

    from finetune.bases import TinySettings
    from finetune.watching import Progress

CHECKPOINT = "checkpoint.pt"
ENCODED = 256
"""Texts that become tokens at once, on all cores where the tokenizer may."""
TOKENIZED = 64 << 20
"""Characters of texts that a tokenizer is made from; of more, each so-and-so-manyth text."""


def train(
    settings: TinySettings, general: list[str], library: list[str], work: Path, progress: Progress | None = None
) -> None:
    """Train into `work`, in the Hugging Face layout, going on from a checkpoint there.

    Args:
        settings: Shape, length and seed.
        general: Texts of general code.
        library: Texts of the old version; half of every batch.
        work: Folder of this training; a checkpoint may be in it.
        progress: Told of each step.

    Raises:
        ConfigurationError: The disk is full.
        TrainingError: The loss is not a number.
    """
    from finetune.quiet import environment, single_process, threads

    parallel = str(bool(settings.corpus)).lower()  # of hundreds of megabytes it takes minutes on one core
    with threads(settings.threads), single_process(), storage("the base", work), room():
        with environment(TOKENIZERS_PARALLELISM=parallel):
            tokenizer = _tokenizer(settings, general + library, work)
            pools = [_tokens(tokenizer, texts, settings) for texts in (general, library)]
        model = _fit(settings, pools, tokenizer, work, progress)
        model.save_pretrained(work)


def _tokenizer(settings: TinySettings, texts: list[str], work: Path) -> Any:
    """A byte-level BPE tokenizer trained on `texts`, or the one already in `work`."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    from finetune.bases import END, PAD

    if not (work / "tokenizer.json").exists():
        inner = Tokenizer(models.BPE())
        inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        inner.decoder = decoders.ByteLevel()
        trainer = trainers.BpeTrainer(
            vocab_size=settings.vocabulary,
            special_tokens=[END, PAD],
            initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        inner.train_from_iterator(texts[:: 1 + sum(map(len, texts)) // TOKENIZED], trainer=trainer)
        fast = PreTrainedTokenizerFast(
            tokenizer_object=inner, eos_token=END, bos_token=END, pad_token=PAD, model_max_length=settings.context * 2
        )
        part = work / "tokenizer.part"
        fast.save_pretrained(part)
        for path in sorted(part.iterdir(), key=lambda p: p.name == "tokenizer.json"):
            path.rename(work / path.name)
        part.rmdir()
    return PreTrainedTokenizerFast.from_pretrained(work)


def _tokens(tokenizer: Any, texts: list[str], settings: TinySettings) -> np.ndarray[Any, Any]:
    """The texts in a seeded order, each ended by the end token, as one row of windows: (windows, context + 1)."""
    import numpy as np

    width = settings.context + 1
    wanted = width * settings.batch * settings.steps
    order = np.random.default_rng(settings.seed).permutation(len(texts))
    pieces: list[np.ndarray[Any, Any]] = []
    held = 0
    for start in range(0, len(order), ENCODED):
        part = tokenizer.backend_tokenizer.encode_batch([texts[index] for index in order[start : start + ENCODED]])
        for found in part:
            if held < wanted:
                pieces.append(np.array([*found.ids, tokenizer.eos_token_id], dtype=np.int64))
                held += len(pieces[-1])
        if held >= wanted:
            break
    flat = np.concatenate(pieces)
    while len(flat) < width:
        flat = np.concatenate([flat, flat])
    count = len(flat) // width
    return flat[: count * width].reshape(count, width)


def _batches(pools: list[np.ndarray[Any, Any]], settings: TinySettings, start: int) -> Iterator[np.ndarray[Any, Any]]:
    """The batches from step `start` on: a share of each pool's windows, in an order fixed by seed and step.

    Args:
        pools: Windows of general code, then of the library.
        settings: Shape, length and seed.
        start: The first step.
    """
    import numpy as np

    @lru_cache(maxsize=4)
    def order(number: int, turn: int) -> np.ndarray[Any, Any]:
        return np.random.default_rng([settings.seed, number, turn]).permutation(len(pools[number]))

    library = settings.library or settings.batch // 2
    for step in range(start, settings.steps):
        rows = []
        for number, size in enumerate((settings.batch - library, library)):
            for place in range(step * size, (step + 1) * size):
                turn, index = divmod(place, len(pools[number]))
                rows.append(pools[number][order(number, turn)[index]])
        yield np.stack(rows)


def _fit(
    settings: TinySettings,
    pools: list[np.ndarray[Any, Any]],
    tokenizer: Any,
    work: Path,
    progress: Progress | None,
) -> Any:
    import torch

    torch.manual_seed(settings.seed)
    model = _model(settings, tokenizer).to(settings.device)
    optimizer = _optimizer(model, settings)
    start = _restore(model, optimizer, work)
    for step, batch in enumerate(_batches(pools, settings, start), start=start):
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * _schedule(step, settings.steps)
        if not _learn(model, optimizer, torch.from_numpy(batch), settings):
            raise TrainingError(f"Training the base diverged at step {step}: lower its learning_rate", step=step)
        done = step + 1
        if done % settings.save_every == 0 and done < settings.steps:
            _save(model, optimizer, done, work)
        if progress is not None:
            progress("base", done, settings.steps)
    return model


def _optimizer(model: Any, settings: TinySettings) -> Any:
    import torch

    return torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, betas=(0.9, 0.95), weight_decay=0.1)


def _learn(model: Any, optimizer: Any, batch: Any, settings: TinySettings) -> bool:
    """One step on windows (batch, context + 1), some of them at a time; whether each loss was finite."""
    import torch

    for part in batch.split(settings.at_once or len(batch)):
        loss = _loss(model, part.to(settings.device))
        if not math.isfinite(loss.item()):
            return False
        (loss * (len(part) / len(batch))).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return True


def speed(settings: TinySettings) -> float:
    """Tokens a second that a base of these settings is trained on here: measured on noise, after a step to warm up.

    Raises:
        TrainingError: Memory doesn't hold it.
    """
    import torch

    from finetune import memory
    from finetune.quiet import single_process, threads

    windows = settings.at_once or settings.batch
    with threads(settings.threads), single_process():
        try:
            model = _model(settings).to(settings.device)
            optimizer = _optimizer(model, settings)
            noise = torch.randint(settings.vocabulary, (windows, settings.context + 1))
            seconds = 0.0
            for _ in range(2 if settings.device == "cpu" else 6):
                since = time.monotonic()
                _learn(model, optimizer, noise, settings)
                seconds = time.monotonic() - since  # its loss waits for what CUDA has left to do
        except (RuntimeError, MemoryError) as error:
            if not memory.ran_out(error):
                raise
            said = f"Memory doesn't hold {windows} windows at once: lower at_once of the base"
            raise TrainingError(said) from error
    return windows * settings.context / seconds


def parameters(settings: TinySettings) -> int:
    """How many parameters a base of these settings has; nothing of it is made."""
    import torch

    with torch.device("meta"):
        return sum(weight.numel() for weight in _model(settings).parameters())


def _model(settings: TinySettings, tokenizer: Any = None) -> Any:
    """A model with random weights; its vocabulary is what the settings ask for where there is no tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    ends = {name: getattr(tokenizer, name, None) for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=settings.vocabulary if tokenizer is None else len(tokenizer),
            hidden_size=settings.width,
            intermediate_size=settings.inner,
            num_hidden_layers=settings.layers,
            num_attention_heads=settings.heads,
            num_key_value_heads=settings.heads,
            max_position_embeddings=settings.context * 2,
            tie_word_embeddings=True,
            **ends,
        )
    )


def _schedule(step: int, steps: int) -> float:
    """Warm-up over 4% of the steps, then a cosine from 1 down to 0.1."""
    warm = max(1, steps // 25)
    if step < warm:
        return (step + 1) / warm
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _loss(model: Any, batch: Any) -> Any:
    """Mean cross-entropy of the next token; bfloat16 where matrices are multiplied, which is 1.4 times faster."""
    import torch

    with torch.autocast(batch.device.type, torch.bfloat16):
        hidden = model.model(input_ids=batch[:, :-1], use_cache=False).last_hidden_state
        logits = torch.nn.functional.linear(hidden, model.lm_head.weight)
    return torch.nn.functional.cross_entropy(logits.float().flatten(0, 1), batch[:, 1:].flatten())


def _save(model: Any, optimizer: Any, done: int, work: Path) -> None:
    import torch

    part = work / f"{CHECKPOINT}.part"
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "done": done}, part)
    part.rename(work / CHECKPOINT)


def _restore(model: Any, optimizer: Any, work: Path) -> int:
    """Load the checkpoint in `work`, if any; the number of steps done."""
    import torch

    path = work / CHECKPOINT
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["done"])
