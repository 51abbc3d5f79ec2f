"""A worker that is the real program, as its pod says, while everything is away: the state in which probes matter most."""

import urllib.error
import urllib.request

from clusterlib.api import until
from clusterlib.control_plane import PORTS
from clusterlib.refusals import NOWHERE
from clusterlib.release import NAME, addresses, prepared

# Which answer each probe has from a worker that waits for Kafka: not started, and by no means to be restarted.
WANTED = {"startupProbe": 503, "livenessProbe": 200, "readinessProbe": 503}


def play(claims, cluster, kubelet):
    listen = f"config.http.listen=127.0.0.1:{PORTS['worker']}"
    alone = ["--set", "replicaCount=1", "--set", "check.enabled=false", "--set", "serviceMonitor.enabled=true", "--set", listen]
    release = prepared(cluster, "waiting", "minimal", *NOWHERE, *alone)
    kubelet.runs_the_program(release.namespace)
    told = release.install()
    claims.that("helm install ends well, since one worker may always be missing", told.returncode == 0, told.stderr)
    worker, = until("the worker", release.workers)
    container, = worker["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    probes = {name: container[name]["httpGet"] for name in WANTED}
    until("the worker's port", lambda: ask(probes["livenessProbe"], ports) != 0, 30)
    found = {name: ask(probe, ports) for name, probe in probes.items()}
    claims.that("the real worker is alive but neither started nor ready, by the pod's own probes", found == WANTED, found)
    monitor = f"/apis/monitoring.coreos.com/v1/namespaces/{release.namespace}/servicemonitors/{NAME}"
    endpoint, = release.api.get(monitor)["spec"]["endpoints"]
    claims.that("its metrics are where the ServiceMonitor says", ask(endpoint, ports) == 200, endpoint)
    behind = until("the Service's address", lambda: addresses(release, 1), 30)
    claims.that("and the Service leads there, although it is not ready", behind, behind)
    told = release.uninstall()
    until("the worker's end", lambda: kubelet.ended, 60)
    (end,), grace = kubelet.ended, worker["spec"]["terminationGracePeriodSeconds"]
    claims.that(f"asked to end, it ends well within its {grace} s", end.code == 0 and end.seconds < grace, end)
    left = release.left()
    claims.that("helm uninstall ends well and leaves nothing", told.returncode == 0 and not left, left or told.stderr)


def ask(probe, ports):
    """The status of the answer; 0 when there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[probe['port']]}{probe['path']}", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0
