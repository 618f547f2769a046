"""LoRA, as the stand-in has it."""
