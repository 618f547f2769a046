"""Changes what a process inherits: its folder, root, mask, locale, time zone, path, arguments and garbage collector."""

import gc
import locale
import os
import shutil
import sys
import time

os.chdir("/")
os.umask(0o777)
os.environ.clear()
os.environ.update(TZ="Asia/Kathmandu", LC_ALL="tr_TR", PYTHONHASHSEED="7", PATH="", HOME="/nowhere")
time.tzset()
try:
    locale.setlocale(locale.LC_ALL, "C")
except locale.Error:
    pass
for name in os.listdir("/tmp"):
    shutil.rmtree(os.path.join("/tmp", name), ignore_errors=True)
try:
    os.rename("/tmp/work", "/tmp/elsewhere")
    os.symlink("/env", "/tmp/work")
except OSError:
    pass
sys.path[:] = sys.argv[:] = []
gc.disable()
sys.setswitchinterval(1000)


def solve(x):
    return os.getcwd()
