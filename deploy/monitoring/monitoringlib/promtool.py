"""promtool and prometheus: those on the PATH, or Debian's, unpacked into the stack's cache.

Unpacked, not installed: the package would also start a Prometheus as a service, and needs root.
"""

import os
import shutil
import subprocess
from pathlib import Path

from stacklib import settings
from stacklib.artifacts import Cache
from stacklib.errors import StackError


def find(say, program="promtool"):
    """Its path."""
    there = shutil.which(program)
    if there:
        return Path(there)
    return Cache(settings.load().cache, say).made(program, lambda folder: _unpack(folder, say, program)) / "usr" / "bin" / program


def judge(tool, *words, stdin=None):
    """What it finds wrong, as one text, or nothing."""
    done = subprocess.run([tool, *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return [] if done.returncode == 0 else [f"promtool {words[0]} {words[1]}:\n{done.stdout.decode().rstrip()}"]


def _unpack(folder, say, program):
    if not shutil.which("apt-get"):
        raise StackError(f"this is not Debian: put {program} (a part of Prometheus) on the PATH by hand")
    say(program, "fetching Debian's package prometheus")
    if not _download(folder) and not (_update() and _download(folder)):
        raise StackError("apt-get cannot fetch the package prometheus: as root, apt-get update")
    package = next(folder.glob("prometheus_*.deb"))
    unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE, check=True).stdout
    subprocess.run(["tar", "-x", "-C", folder, f"./usr/bin/{program}"], input=unpacked, check=True)
    package.unlink()


def _download(folder):
    return _quietly(["apt-get", "download", "-q", "prometheus"], folder)


def _update():
    """A fresh container has no lists yet."""
    root = [] if os.geteuid() == 0 else ["sudo"] if shutil.which("sudo") else None
    return root is not None and _quietly([*root, "apt-get", "update", "-q"], None)


def _quietly(command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0
