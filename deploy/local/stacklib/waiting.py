"""Waiting by asking: each service tells by an answer in its own protocol that it serves."""

import http.client
import socket
import struct
import time

from .errors import StackError
from .process import POLL, telling_line

# Generous: a machine that builds beside it is slow, and a process that ends is noticed at once.
PATIENCE = 300


def until(ask, name, child, log):
    """Asks every 100 ms until the answer is yes; ends at once when the process has ended."""
    begin = time.monotonic()
    while not ask():
        if child is not None and child.poll() is not None:
            raise StackError(f"{name} ended during its start (exit {child.returncode}): {telling_line(log)}; log: {log}")
        if time.monotonic() > begin + PATIENCE:
            raise StackError(f"{name} did not answer within {PATIENCE} s: {telling_line(log)}; log: {log}")
        time.sleep(POLL)


def kafka_answers(port):
    """Metadata (key 3, version 4) without topics: ready when the broker lists itself, for then it is registered."""
    request = struct.pack(">hhihib", 3, 4, 1, -1, 0, 0)
    answer = _exchange(port, struct.pack(">i", len(request)) + request, 16)
    # length, correlation id, throttle time, number of brokers
    return len(answer) >= 16 and struct.unpack(">iiii", answer[:16])[3] >= 1


def cassandra_answers(port):
    """OPTIONS in protocol 4; the answer is a frame with opcode SUPPORTED."""
    answer = _exchange(port, bytes([4, 0, 0, 0, 5, 0, 0, 0, 0]), 9)
    return len(answer) >= 5 and answer[4] == 6


def postgres_answers(port):
    """A start-up message as the superuser; 'R' is the answer of a server that accepts sessions, 'E' says not yet."""
    body = struct.pack(">i", 196608) + b"user\0postgres\0database\0postgres\0\0"
    return _exchange(port, struct.pack(">i", len(body) + 4) + body, 1) == b"R"


def http_ok(port, path):
    """GET answers 200."""
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


def port_is_free(port):
    """Whether we could listen there. An address that only lingers in TIME_WAIT is free."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _exchange(port, request, length):
    """Sends `request`, reads at least `length` bytes if they come; anything that goes wrong is no answer."""
    answer = b""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(request)
            while len(answer) < length and (more := connection.recv(4096)):
                answer += more
    except OSError:
        return b""
    return answer[:length]
