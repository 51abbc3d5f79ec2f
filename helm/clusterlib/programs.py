"""Runs what a pod's container says: the real program, with the pod's own file and variables, and nothing else."""

import base64
import contextlib
import ctypes
import os
import pathlib
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

CONFIG = "/etc/user-purge-sync/config.toml"
PR_SET_PDEATHSIG = 1


@dataclass
class Ended:
    code: int
    # From SIGTERM on.
    seconds: float


def check(api, program, pod):
    """Exit code, and what it said."""
    with started(api, program, pod, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as (process, folder):
        said = process.communicate()[0].decode()
    # A container has its file where the chart says.
    return process.returncode, said.replace(f"{folder}/config.toml", CONFIG)


def worker(api, program, pod, asked_to_end):
    """Runs until it ends by itself, or until `asked_to_end`; then it has the pod's grace period."""
    with started(api, program, pod, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as (process, _):
        while process.poll() is None and not asked_to_end.wait(0.2):
            pass
        begin = time.monotonic()
        process.terminate()
        try:
            process.wait(pod["spec"]["terminationGracePeriodSeconds"])
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return Ended(process.returncode, time.monotonic() - begin)


@contextlib.contextmanager
def started(api, program, pod, **streams):
    container, = pod["spec"]["containers"]
    core = f"/api/v1/namespaces/{pod['metadata']['namespace']}"
    volume = next(volume for volume in pod["spec"]["volumes"] if volume["name"] == "config")
    written = api.get(f"{core}/configmaps/{volume['configMap']['name']}")["data"]["config.toml"]
    environment = {}
    for variable in container.get("env", []):
        reference = variable.get("valueFrom", {}).get("secretKeyRef")
        environment[variable["name"]] = secret(api, core, reference) if reference else variable.get("value", "")
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "config.toml"
        file.write_text(written)
        words = [str(file) if word == CONFIG else word for word in container["args"]]
        yield subprocess.Popen([program, *words], env=environment, cwd=folder, preexec_fn=end_with_the_parent, **streams), folder


def secret(api, core, reference):
    data = api.get(f"{core}/secrets/{reference['name']}")["data"]
    return base64.b64decode(data[reference["key"]]).decode()


def end_with_the_parent():
    """Not with the process that started it, but with its thread: that has to wait for the child's end."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def named():
    """What USER_PURGE_SYNC names."""
    name = os.environ.get("USER_PURGE_SYNC")
    return str(pathlib.Path(name).resolve()) if name and pathlib.Path(name).exists() else None
