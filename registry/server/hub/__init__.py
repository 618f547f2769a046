"""The Hugging Face Hub's read API over adapters, the bases that they name, and snapshots: its clients work unmodified.

What they ask was read in huggingface_hub 2.4, transformers 5.23, peft 0.21 and datasets 5.2, and is held by tests that
run these. Beginning with `names` (what is asked for) and `shelf` (what there is), `routes` answers.
"""
