"""promtool and prometheus: those on the PATH, or Debian's, unpacked into the stack's cache."""

import subprocess

from stacklib import packages, settings
from stacklib.artifacts import Cache


def find(say, program="promtool"):
    """Its path."""
    return packages.program(Cache(settings.load().cache, say), program, "prometheus")


def judge(tool, *words, stdin=None):
    """What it finds wrong, as one text, or nothing."""
    done = subprocess.run([tool, *words], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    return [] if done.returncode == 0 else [f"promtool {words[0]} {words[1]}:\n{done.stdout.decode().rstrip()}"]

