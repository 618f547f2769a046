"""Ends with exit status 0 before the test."""

import os

os._exit(0)
