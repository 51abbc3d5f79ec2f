"""Debian packages that the Rust build needs (librdkafka is compiled from source and links these), and the tests' browser."""

import os
import shutil
import subprocess
from pathlib import Path

from .errors import StackError

# The compiler and its tools are asked for as programs: a machine may have them from elsewhere.
PROGRAMS = {"gcc": "gcc", "g++": "g++", "make": "make", "cmake": "cmake", "pkg-config": "pkg-config", "perl": "perl"}
# The page is tested in a real browser; this package is the one without a window.
BROWSERS = ["chromium-headless-shell", "chromium"]
LIBRARIES = ["libssl-dev", "zlib1g-dev", "libc6-dev"]


def install(say, browser):
    """Installs what is missing, and a browser where that is asked for; says one line and stops where that is not possible."""
    missing = [package for program, package in PROGRAMS.items() if not shutil.which(program)]
    missing += [package for package in LIBRARIES if not _installed(package)]
    missing += BROWSERS[:1] if browser and not any(map(shutil.which, BROWSERS)) else []
    if not missing:
        say("packages", "all there")
        return
    add(say, missing)


def add(say, missing):
    """Installs these packages; says one line and stops where that is not possible."""
    command = f"apt-get install -y {' '.join(missing)}"
    if not shutil.which("apt-get"):
        raise StackError(f"this is not Debian: install by hand what these packages hold: {' '.join(missing)}")
    if os.geteuid() != 0 and not shutil.which("sudo"):
        raise StackError(f"packages are missing and there is no sudo; as root: {command}")
    say("packages", f"installing {' '.join(missing)}")
    root = [] if os.geteuid() == 0 else ["sudo"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["update", "-q"], ["install", "-y", "-q", "--no-install-recommends", *missing]):
        done = subprocess.run([*root, "apt-get", *step], env=quiet, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            why = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
            raise StackError(f"cannot install packages ({why}); as root: {command}")


def program(cache, name, package):
    """The path of a program: the one on the PATH, or that of a Debian package, unpacked into the cache.

    Unpacked, not installed: these packages would also start it as a service, and need root.
    """
    there = shutil.which(name)
    if there:
        return Path(there)

    def make(folder):
        if not shutil.which("apt-get"):
            raise StackError(f"this is not Debian: put {name} (package {package}) on the PATH by hand")
        cache.say(name, f"fetching Debian's package {package}")
        if not _download(package, folder) and not (_update() and _download(package, folder)):
            raise StackError(f"apt-get cannot fetch the package {package}: as root, apt-get update")
        archive = next(folder.glob(f"{package}_*.deb"))
        unpacked = subprocess.run(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["tar", "-x", "-C", folder, f"./usr/bin/{name}"], input=unpacked, check=True)
        archive.unlink()
    return cache.made(name, make) / "usr" / "bin" / name


def _download(package, folder):
    return _quietly(["apt-get", "download", "-q", package], folder)


def _update():
    """A fresh container has no lists yet."""
    root = [] if os.geteuid() == 0 else ["sudo"] if shutil.which("sudo") else None
    return root is not None and _quietly([*root, "apt-get", "update", "-q"], None)


def _quietly(command, folder):
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0


def _installed(package):
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True,
                           check=False) if shutil.which("dpkg-query") else None
    return asked is None or asked.stdout == "installed"
