"""Stops one thread of a process, as a deadlock would, until standard input ends: PID NAME.

The others go on: ptrace(2) stops a thread, while a signal stops them all. Needs to be root, or
kernel.yama.ptrace_scope=0.
"""
import ctypes
import os
import sys

SEIZE, INTERRUPT, DETACH = 0x4206, 0x4207, 17
# Threads are waited for as children of another kind.
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) == -1:
        sys.exit(f"ptrace {request:#x}: {os.strerror(ctypes.get_errno())} (kernel.yama.ptrace_scope?)")


def threads(process, name):
    for thread in os.listdir(f"/proc/{process}/task"):
        with open(f"/proc/{process}/task/{thread}/comm") as comm:
            if comm.read().strip() == name:
                yield int(thread)


held = list(threads(*sys.argv[1:]))
if not held:
    sys.exit(f"no thread {sys.argv[2]}")
for thread in held:
    ptrace(SEIZE, thread)
    ptrace(INTERRUPT, thread)
    os.waitpid(thread, WALL)
print("held", flush=True)
sys.stdin.read()
for thread in held:
    ptrace(DETACH, thread)
