"""Changes modules that all programs share, for the next program."""

import collections
import json
import math
import os
import random

collections.OrderedDict = dict
math.sqrt = lambda x: 0
json.loads = lambda text: None
os.getpid = lambda: 0
random.random = lambda: 0.5
