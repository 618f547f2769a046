"""Leaves the harness without builtins."""

import builtins

builtins.__dict__.clear()
