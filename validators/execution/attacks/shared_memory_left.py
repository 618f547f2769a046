"""Leaves shared memory, named semaphores and sockets behind."""

import os
import socket
from multiprocessing import shared_memory

shared_memory.SharedMemory("left", create=True, size=1 << 20)
os.mkfifo("/dev/shm/fifo")
listener = socket.socket(socket.AF_UNIX)
listener.bind("\0left")
listener.listen()
port = socket.socket()
port.bind(("127.0.0.1", 4711))
port.listen()
