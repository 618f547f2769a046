"""Leaves the helpers of multiprocessing running: a fork server, a manager, a resource tracker, a pool."""

import multiprocessing

if __name__ == "program":
    context = multiprocessing.get_context("fork")
    manager = context.Manager()
    shared = manager.list([1])
    pool = context.Pool(3)
    queue = context.Queue()
    queue.put("x" * 1000000)


def solve(x):
    return "nothing"
