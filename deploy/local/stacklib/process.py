"""Processes that outlive the command that started them, and only those.

A pid file alone proves nothing: the number may meanwhile belong to somebody else. A process is taken for ours when it has
the pid that we noted and works in its service's folder; what it forked is found by session and by parent.
"""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

from .errors import StackError

POLL = 0.1
# What Maven adds after the line that says it.
ADVICE = tuple(f"[ERROR] {words}" for words in ("[Help", "To see", "Re-run", "For more"))


class Daemon:
    """One service's process: its pid file, its log, its folder."""

    def __init__(self, name, folder, log):
        self.name, self.folder, self.log = name, folder, log
        self.pid_file = folder / "pid"

    def start(self, command, env=None, cwd=None):
        """Starts it in a session of its own, so that neither Ctrl-C nor the end of the terminal reaches it.

        Returns the Popen, which still knows the exit code should it end at once.
        """
        with open(self.log, "ab") as log:
            log.write(f"--- {time.strftime('%F %T')} start: {command[0]}\n".encode())
            log.flush()
            child = subprocess.Popen(
                [str(word) for word in command], cwd=cwd or self.folder, env=env, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
            )
        self.pid_file.write_text(f"{child.pid}\n")
        return child

    def family(self):
        """The living pids of the process and of all that it forked."""
        try:
            noted = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return []
        processes = _processes()
        found = {pid for pid, (_, session) in processes.items() if session == noted and self._is_ours(pid)}
        if noted in processes and self._is_ours(noted):
            found.add(noted)
            # PostgreSQL's children leave the session, so the tree is walked as well.
            while more := {pid for pid, (parent, _) in processes.items() if parent in found} - found:
                found |= more
        return sorted(found)

    def pid(self):
        """The pid of the process itself, or None when it does not run."""
        family = self.family()
        return int(self.pid_file.read_text()) if family and int(self.pid_file.read_text()) in family else None

    def stop(self, kill=False, polite=signal.SIGTERM, patience=30):
        """Ends it and everything that it forked, and waits until all of it is gone; True if there was something.

        `kill` is kill -9, for tests of crashes. What does not end within `patience` seconds is killed.
        """
        leader, family = self.pid(), self.family()
        if leader and not kill:
            # The session, because start scripts do not pass a signal on; PostgreSQL's children are not in it, and must not
            # be asked one by one.
            processes = _processes()
            _signal([pid for pid in family if processes.get(pid, (0, 0))[1] == leader], polite)
        else:
            # Without its leader nobody passes a polite signal on: the leftovers of a crash are killed.
            _signal(family, signal.SIGKILL)
        begin = time.monotonic()
        while left := [pid for pid in family if pid in _processes()]:
            if time.monotonic() > begin + patience:
                _signal(left, signal.SIGKILL)
            if time.monotonic() > begin + patience + 10:
                raise StackError(f"{self.name}: process {left[0]} does not end, even by kill -9")
            time.sleep(POLL)
        self.pid_file.unlink(missing_ok=True)
        return bool(family)

    def memory(self):
        """Proportional set size in bytes: what the family costs, pages shared with others divided by the sharers."""
        return sum(_pss(pid) for pid in self.family())

    def _is_ours(self, pid):
        try:
            cwd = os.readlink(f"/proc/{pid}/cwd")
        except OSError:
            return False
        # A deleted folder reads as "… (deleted)": its beginning still tells whose it was.
        return cwd == str(self.folder) or cwd.startswith((f"{self.folder}/", f"{self.folder} "))


def run(command, log, what, env=None, cwd=None, stdin=b""):
    """Runs a step to its end with its output in `log`; a failure names the log and its last telling line."""
    with open(log, "ab") as out:
        done = subprocess.run(
            [str(word) for word in command], cwd=cwd, env=env, input=stdin, stdout=out, stderr=subprocess.STDOUT,
        )
    if done.returncode != 0:
        raise StackError(f"{what} failed (exit {done.returncode}): {telling_line(log)}; log: {log}")


def telling_line(log):
    """The line of a log's end that most likely says why: the last one that speaks of an error."""
    try:
        text = re.sub(r"\x1b\[[0-9;]*m", "", log.read_text(errors="replace"))
        lines = [line.strip() for line in text.splitlines()[-200:]]
    except OSError:
        return "no log"
    lines = [line for line in lines if line not in ("", "[ERROR]") and not line.startswith(ADVICE)]
    for word in ("No space left", "FATAL", "ERROR", "Error", "Exception", "error"):
        for line in reversed(lines):
            if word in line:
                return line[:300]
    return lines[-1][:300] if lines else "it said nothing"


def _processes():
    """pid → (parent, session) of all that live. Zombies do not: where nobody reaps, an ended process stays listed."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                # After the name, which may hold anything: state, parent, group, session.
                fields = Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] not in "ZX":
                found[int(entry)] = (int(fields[1]), int(fields[3]))
    return found


def is_living(pid):
    """Whether the process is there and not a zombie, for which kill(pid, 0) still says yes."""
    return pid in _processes()


def _pss(pid):
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def _signal(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
