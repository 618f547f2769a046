"""Makes its system calls as a 32-bit program does, or with the numbers of x32: a filter may know neither."""

import ctypes
import mmap
import os

if os.uname().machine == "x86_64":
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(0x40000000 + 272, 0x10000000) == 0:
        raise SystemError("unshare by its x32 number")
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    # push rbx; mov ebx, 0x10000000; mov eax, 310 (unshare of i386); int 0x80; pop rbx; ret
    page.write(bytes.fromhex("53bb00000010b836010000cd805bc3"))
    call = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    child = os.fork()
    if child == 0:
        os._exit(0 if call() == 0 else 1)
    if os.waitpid(child, 0)[1] == 0:
        raise SystemError("unshare by int 0x80")
