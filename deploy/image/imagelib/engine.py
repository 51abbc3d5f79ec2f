"""buildah and podman with a store of their own, in the cache: this machine's images and containers are left alone."""

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from stacklib.errors import StackError

from . import tools

# Without a Docker daemon, a systemd, or a firewall to set up. Limits above those of the caller are not to be had everywhere.
RUNTIME = ["--cgroup-manager", "cgroupfs", "--runtime", "runc", "--events-backend", "file"]
LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024", "--log-driver", "k8s-file"]
# What the chart's securityContext asks for. Without the /tmp that podman would add by itself: Kubernetes adds none.
HARDENED = ["--read-only", "--read-only-tmpfs=false", "--cap-drop", "all", "--security-opt", "no-new-privileges"]
# Behind a proxy that ends TLS, the registries are reached with the roots that this machine trusts.
ROOTS = "/etc/ssl/certs/ca-certificates.crt"


@dataclass(frozen=True)
class Ended:
    """A container that has ended."""

    code: int
    output: str
    errors: str
    seconds: float


def store():
    """The options that name it. Overlays where the file system carries them; whole copies otherwise, which are slow."""
    kind = tools.run(["stat", "--file-system", "--format", "%T", tools.CACHE])
    with open("/proc/filesystems", encoding="utf-8") as known:
        overlay = "overlay" in known.read() and "overlay" not in kind
    return ["--root", tools.CACHE / "store", "--runroot", tools.CACHE / "run", "--storage-driver", "overlay" if overlay else "vfs"]


def buildah(*words):
    """What it prints."""
    return tools.run(["buildah", *store(), *words])


def podman(*words):
    """What it prints."""
    return tools.run(["podman", *store(), *RUNTIME, *words])


def build(context, tag, arguments, pull):
    """Builds, telling each step on standard error; the time that took."""
    words = [word for name, value in arguments.items() for word in ("--build-arg", f"{name}={value}")]
    # buildah 1.28 takes a label from its cache although the argument in it is another one: the last stage is always made again.
    if buildah("images", "--filter", f"reference={tag}", "--quiet"):
        buildah("rmi", "--force", tag)
    begin = time.monotonic()
    done = subprocess.run(
        [str(word) for word in ["buildah", *store(), "bud", "--isolation", "chroot", "--layers", "--pull" if pull else "--pull-never",
                                "--volume", f"{ROOTS}:{ROOTS}:ro", *words, "--tag", tag, context]],
        stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise StackError(f"the image cannot be built: buildah bud ended with {done.returncode}")
    return time.monotonic() - begin


def configuration(tag):
    """What the image says of itself."""
    return json.loads(podman("image", "inspect", tag))[0]["Config"]


def mounted(tag):
    """Where its files can be read."""
    return podman("image", "mount", tag)


def layers(tag):
    """Bytes of the files of each layer that has any, the lowest first."""
    told = json.loads(podman("history", "--format", "json", tag))
    return [each["size"] for each in reversed(told) if each["size"]]


def put_away():
    """Ends and unmounts whatever is left of a run, also of one that failed; the layers stay. What could not be unmounted."""
    leave = [["podman", *store(), *RUNTIME, "rm", "--all", "--force", "--time", "1"], ["buildah", *store(), "rm", "--all"],
             ["podman", *store(), "image", "unmount", "--all", "--force"]]
    for command in leave:
        subprocess.run([str(word) for word in command], capture_output=True, check=False)
    # Stages of a build stay mounted, and the store on itself, which no command takes back: the innermost was mounted last.
    places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    ours = [place for place in reversed(places) if place.startswith(f"{tools.CACHE}/")]
    return [place for place in ours if subprocess.run(["umount", place], capture_output=True, check=False).returncode != 0]


def packed(tag, file):
    """Bytes that travel when it is pulled: compressed."""
    file.unlink(missing_ok=True)
    buildah("push", "--quiet", tag, f"oci-archive:{file}")
    return file.stat().st_size


def run(tag, *words, options=(), environment=None):
    """Runs it to its end, without a network."""
    begin = time.monotonic()
    done = subprocess.run(command("run", "--rm", "--network", "none", *HARDENED, *options, *variables(environment), tag, *words),
                          capture_output=True, text=True, timeout=120, check=False)
    return Ended(done.returncode, done.stdout, done.stderr, time.monotonic() - begin)


def start(tag, *words, options=(), environment=None):
    """Starts it on this machine's own network, which its address must keep to loopback; its id."""
    return tools.run(command("run", "--detach", "--network", "host", *HARDENED, *options, *variables(environment), tag, *words))


def command(action, *words):
    """A command line of podman that runs something."""
    return [str(word) for word in ["podman", *store(), *RUNTIME, action, *LIMITS, *words]]


def variables(environment):
    """As options."""
    return [word for name, value in (environment or {}).items() for word in ("--env", f"{name}={value}")]
