"""The parts of `driftune stack`, and what keeps them alive."""
