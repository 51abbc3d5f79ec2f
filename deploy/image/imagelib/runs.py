"""What must hold of the image while it runs: as another user than root, on a root that cannot be written, without capabilities."""

import contextlib
import http.client
import json
import ssl
import tempfile
import threading
import time
from pathlib import Path

from stacklib.errors import StackError

from . import engine, tls

# Nobody listens there.
NOWHERE = "127.0.0.1:1"
DRY_RUN = {"USER_PURGE_SYNC__PURGE__MODE": "dry-run"}
PATIENCE = 30
STARTS = 5


def problems(tag, version, wanted, figures):
    """What does not hold; how long things took is put into `figures`."""
    yield from answers(tag, version, figures)
    yield from refusals(tag)
    yield from temporary(tag)
    with tempfile.TemporaryDirectory() as folder:
        yield from worker(tag, wanted, Path(folder), figures)
        yield from trust(tag, Path(folder))


def answers(tag, version, figures):
    """Commands that need nobody."""
    told = [engine.run(tag, "--version") for _ in range(STARTS)]
    figures["--version"] = min(ended.seconds for ended in told)
    yield from differs("--version", told[0], 0, f"user-purge-sync {version}\n")
    yield from differs("config", engine.run(tag, "config"), 0, "[kafka]")
    yield from differs("completions bash", engine.run(tag, "completions", "bash"), 0, "complete -F _user__purge__sync")
    yield from differs("man", engine.run(tag, "man"), 0, ".TH user-purge-sync 1")


def refusals(tag):
    """What goes wrong is told, by the exit code too."""
    yield from differs("run without purge.mode", engine.run(tag, "run"), 64, "purge.mode: is not set")
    yield from differs("its own command, run", engine.run(tag), 64, "purge.mode: is not set")
    yield from differs("check without a network", engine.run(tag, "check"), 69, "see kafka.brokers")
    yield from differs("a shell", engine.run(tag, "-c", "sh", options=("--entrypoint", "/bin/sh")), 127, "/bin/sh")


def temporary(tag):
    """Only `submit` from standard input wants a folder to write in, and says so."""
    words = ("submit", "delete-user", "--file", "-")
    yield from differs("submit without a folder", engine.run(tag, *words, options=("--interactive",)), 64, "TMPDIR names another folder")
    options = ("--interactive", "--tmpfs", "/tmp:size=16m")
    yield from differs("submit with a folder", engine.run(tag, *words, options=options), 64, "no ids;")


def differs(what, ended, code, words):
    """A line when it ended otherwise, or told something else."""
    if ended.code != code or words not in ended.output + ended.errors:
        told = (ended.errors.strip() or ended.output.strip())[-500:]
        yield f"{what}: exit {ended.code} instead of {code}, or without {words!r}: {told}"


def worker(tag, wanted, folder, figures):
    """As the chart starts it, without Kafka: it lives, waits, is not ready, and ends in order when it is told to."""
    address = tls.free_address()
    file = folder / "config.toml"
    file.write_text(f'purge.mode = "dry-run"\nkafka.brokers = "{NOWHERE}"\nhttp.listen = "{address}"\nlog.format = "text"\n')
    folder.chmod(0o755)
    options = ("--user", f"{wanted.user}:{wanted.group}", "--volume", f"{file}:{wanted.mount}:ro")
    begin = time.monotonic()
    with started(tag, *wanted.arguments, options=options) as identity:
        until(lambda: asked(address, "/livez") == 200, lambda: f"/livez does not answer: {engine.podman('logs', identity)}")
        figures["/livez"] = time.monotonic() - begin
        ready, page = asked(address, "/readyz"), asked(address, "/metrics")
        if (ready, page) != (503, 200):
            yield f"without Kafka /readyz says {ready} and /metrics {page}"
        told = status(identity)
        if any(told.values()):
            yield f"its process has {told}"
        begin = time.monotonic()
        engine.podman("stop", "--time", PATIENCE, identity)
        figures["SIGTERM"] = time.monotonic() - begin
        code = json.loads(engine.podman("inspect", identity))[0]["State"]["ExitCode"]
        if code != 0:
            yield f"after SIGTERM it ends with {code}"


def status(identity):
    """What the kernel says that it may do: capabilities, and whether it is root."""
    pid = json.loads(engine.podman("inspect", identity))[0]["State"]["Pid"]
    lines = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    told = {name: int(lines[name], 16) for name in ("CapPrm", "CapEff", "CapBnd")}
    return told | {"root": "0" in lines["Uid"].split(), "new privileges": lines["NoNewPrivs"] != "1"}


def trust(tag, folder):
    """Kafka's TLS finds the image's roots: with a root of ours in their place it trusts our broker, with their own it does not."""
    own = tls.Authority(folder)
    for options in (("--volume", f"{own.root}:{engine.ROOTS}:ro"), ()):
        with own.listening() as broker:
            environment = DRY_RUN | {"USER_PURGE_SYNC__KAFKA__BROKERS": broker.address, "USER_PURGE_SYNC__HTTP__LISTEN": tls.free_address(),
                                     "USER_PURGE_SYNC__KAFKA__PROPERTIES__SECURITY_PROTOCOL": "SSL"}
            with started(tag, "run", options=options, environment=environment):
                found = broker.first_handshake(PATIENCE)
        if not (found is None if options else isinstance(found, ssl.SSLError)):
            yield f"Kafka's TLS with {'a root of ours' if options else 'its own roots'}: {found!r}"


@contextlib.contextmanager
def started(tag, *words, options=(), environment=None):
    """A container that is taken away at the end, whatever happened."""
    identity = engine.start(tag, *words, options=options, environment=environment)
    try:
        yield identity
    finally:
        engine.podman("rm", "--force", "--time", "1", identity)


def asked(address, path):
    """The status of an answer, or None."""
    try:
        connection = http.client.HTTPConnection(address, timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None


def until(holds, otherwise):
    """Asks again and again."""
    begin, pause = time.monotonic(), threading.Event()
    while not holds():
        if time.monotonic() > begin + PATIENCE:
            raise StackError(otherwise())
        pause.wait(0.01)
