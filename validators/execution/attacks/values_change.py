"""Returns a list that a thread goes on changing while the harness writes it down."""

import threading

shared = ["nothing"] * 1000


def change():
    while True:
        if len(shared) < 100000:
            shared.extend(shared[:1000])
        shared.insert(0, {"secret": shared[:2]})
        shared[:] = shared[-5000:]


threading.Thread(target=change, daemon=True).start()


def solve(x):
    return shared
