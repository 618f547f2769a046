"""Starts threads without end.

timeout_s: 1
"""

import threading
import time

while True:
    try:
        threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
    except RuntimeError:
        pass
