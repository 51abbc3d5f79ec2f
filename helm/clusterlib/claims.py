"""What is claimed, each with the time at which it was seen to be so."""

import contextlib
import threading
import time
import traceback


class Claims:
    def __init__(self):
        self.began = time.monotonic()
        self.seen, self.wrong, self.scenes = 0, [], []
        self.lock = threading.Lock()

    def that(self, claim, truth, found=""):
        """`found` is what is shown when it is not so."""
        with self.lock:
            self.seen += 1
            if not truth:
                self.wrong.append(claim)
            print(f"{self.passed():7.1f} s  {'ok   ' if truth else 'WRONG'} {claim}{'' if truth else f': {found}'}", flush=True)
        return truth

    @contextlib.contextmanager
    def scene(self, name):
        """A part of the play. What ends it early is itself wrong."""
        begin = self.passed()
        print(f"{begin:7.1f} s  --- {name}", flush=True)
        try:
            yield
        except Ended as ended:
            self.that(name, False, ended)
        except Exception:
            self.that(name, False, traceback.format_exc())
        finally:
            self.scenes.append((name, self.passed() - begin))

    def passed(self):
        return time.monotonic() - self.began

    def summary(self):
        """Prints it; the exit code."""
        print()
        for name, seconds in self.scenes:
            print(f"{seconds:7.1f} s  {name}")
        for claim in self.wrong:
            print(f"WRONG    {claim}")
        print(f"{self.seen} claims in {self.passed():.0f} s, {len(self.wrong)} wrong")
        return 1 if self.wrong or not self.seen else 0


class Ended(Exception):
    """A scene cannot go on: what was waited for did not come, or the API server refused what it has to take."""
