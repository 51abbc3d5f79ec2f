"""The programs that judge what we are made of, built once from their registries into deploy/supply/.cache, at fixed versions."""

import shutil
import subprocess
import sys
from pathlib import Path

from stacklib import golang
from stacklib.errors import StackError

CACHE = Path(__file__).resolve().parent.parent / ".cache"
DENY = "cargo-deny@0.20.2"
CYCLONEDX = "cyclonedx-python-lib[json-validation]==11.12.0"
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"


def cargo(crate):
    """The path of a program of crates.io."""
    name = crate.split("@")[0]
    place = CACHE / crate.replace("@", "-")
    if not (place / "bin" / name).exists():
        say(f"building {crate}, some minutes")
        # In the order of its own lock file, and out of the way of whoever works on this machine.
        run(["nice", "cargo", "install", "--quiet", "--locked", "--root", place, crate], cwd=CACHE)
    return place / "bin" / name


def actionlint():
    """Its path, built from its module: the proxy's checksums vouch for it."""
    place = CACHE / ACTIONLINT.rsplit("/", 1)[1].replace("@", "-")
    if not (place / "actionlint").exists():
        say(f"building {ACTIONLINT}")
        go = golang.environment(lambda part, text: say(f"{part}: {text}"))
        run(["nice", "go", "install", ACTIONLINT], env={**go, "GOBIN": str(place)}, cwd=CACHE)
    return place / "actionlint"


def cyclonedx():
    """An interpreter that has the reference library of the format."""
    place = CACHE / "cyclonedx"
    if not (place / CYCLONEDX).exists():
        say(f"fetching {CYCLONEDX} by pip")
        shutil.rmtree(place, ignore_errors=True)
        run([sys.executable, "-m", "venv", place])
        run([place / "bin/pip", "install", "--quiet", "--only-binary", ":all:", CYCLONEDX])
        (place / CYCLONEDX).touch()
    return place / "bin/python3"


def run(command, **more):
    """Its output; an error with its last lines when it fails."""
    CACHE.mkdir(exist_ok=True)
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    if done.returncode != 0:
        told = "\n".join((done.stderr.strip() or done.stdout.strip()).splitlines()[-20:])
        raise StackError(f"{' '.join(str(word) for word in command[:4])} …: exit {done.returncode}\n{told}")
    return done.stdout


def judge(what, command, **more):
    """What it finds wrong, as one text, or nothing."""
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, check=False, **more)
    return [] if done.returncode == 0 else [f"{what}: {(done.stderr + done.stdout).strip()}"]


def say(text):
    """One step, told when it begins."""
    print(f"supply: {text}", file=sys.stderr, flush=True)
