"""What a person sees while the stack comes up: one line a step, one table at the end."""

import sys
import threading
import time


class Terminal:
    """Lines from several threads, each with the time since the start and the service that speaks.

    They go to stderr, so that `stack env` and the final table can be read by programs.
    """

    def __init__(self):
        self._begin = time.monotonic()
        self._lock = threading.Lock()

    def say(self, who, what):
        """One step, told when it begins: a silent minute looks like a hang."""
        with self._lock:
            print(f"{time.monotonic() - self._begin:6.1f} s  {who:<10} {what}", file=sys.stderr, flush=True)


def table(header, rows):
    """A plain table; the columns are as wide as their widest cell."""
    cells = [header, *rows]
    widths = [max(len(str(row[column])) for row in cells) for column in range(len(header))]
    for row in cells:
        print("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip())
