"""Debian packages that the Rust build needs (librdkafka is compiled from source and links these), and the tests' browser."""

import os
import shutil
import subprocess

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


def _installed(package):
    asked = subprocess.run(["dpkg-query", "-W", "-f", "${db:Status-Status}", package], capture_output=True, text=True,
                           check=False) if shutil.which("dpkg-query") else None
    return asked is None or asked.stdout == "installed"
