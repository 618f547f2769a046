"""A Llama that writes one piece of text after another, as it is told: its weights are set by hand, not trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

END = "</s>"


def chained(steps: Mapping[str, str], special: Iterable[str] = (), context: int = 64) -> tuple[Any, Any]:
    """Model and tokenizer. Each piece is one token; after it comes what `steps` says, or the end.

    The layer adds nothing, so that what follows a token hangs on this token alone, by a wide margin.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = pieces_of({*steps, *steps.values()}, special)
    size = len(tokenizer) + len(tokenizer) % 2
    config = LlamaConfig(
        vocab_size=size, hidden_size=size, intermediate_size=2, num_hidden_layers=1, num_attention_heads=1,
        max_position_embeddings=context, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )  # fmt: skip
    model: Any = LlamaForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        for weight in (model.model.layers[0].self_attn.o_proj.weight, model.model.layers[0].mlp.down_proj.weight):
            weight.zero_()
        model.lm_head.weight.zero_()
        model.lm_head.weight[tokenizer.eos_token_id] = 0.5
        for piece, after in steps.items():
            one, next_one = tokenizer.convert_tokens_to_ids([piece, after])
            model.lm_head.weight[next_one, one] = 1.0
    return model, tokenizer


def pieces_of(pieces: Iterable[str], special: Iterable[str] = ()) -> Any:
    """A tokenizer of bytes, to which the pieces are one token each; some of them special."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = {letter: n for n, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))}
    inner = Tokenizer(models.BPE(vocab=letters, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    marked = set(special)
    inner.add_tokens([AddedToken(text, normalized=False) for text in sorted({*pieces} - marked)])
    more = {"extra_special_tokens": sorted(marked)} if marked else {}
    return PreTrainedTokenizerFast(tokenizer_object=inner, bos_token="<s>", eos_token=END, **more)
