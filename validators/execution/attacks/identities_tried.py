"""Becomes another user or group: root, nobody, and its neighbours, whose jobs came before or come after."""

import os

granted = []
me, group = os.getuid(), os.getgid()
others = {0, 1, 2, 33, 1000, 65534, *range(max(0, me - 64), me + 65)} - {me}
for user in sorted(others):
    for name, arguments in (
        ("setuid", (user,)),
        ("setreuid", (user, user)),
        ("setresuid", (me, user, me)),
        ("setgid", (user,)),
        ("setresgid", (group, user, group)),
    ):
        if name.endswith("gid") and user == group:
            continue
        try:
            getattr(os, name)(*arguments)
            granted.append("%s(%d)" % (name, user))
        except OSError:
            pass
try:
    os.setgroups([0, 1, 2])
    granted.append("setgroups")
except OSError:
    pass
with open("mine", "w") as file:
    file.write("mine")
for user in (0, me + 1):
    try:
        os.chown("mine", user, -1)
        granted.append("chown(%d)" % user)
    except OSError:
        pass
if granted:
    raise SystemError("granted: %r" % granted[:5])
