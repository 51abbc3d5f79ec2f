"""Plays nodes and what runs on them. No container runs, so images and mounts are not exercised.

A worker is ready two seconds after its start, and takes four to end. The pod of a Job ends well at once. A namespace can be told
otherwise, or that the real program is to run there: how a check ends, and what a worker answers, is then the program's. Logs are
answered as by a kubelet. (kwok could play the nodes, at the price of building it; what really runs would still have to be run here.)
"""

import datetime
import http.server
import re
import ssl
import threading
import time
from dataclasses import dataclass

from clusterlib import programs
from clusterlib.api import MERGE

# Seconds from a worker's start until it is a member of its group, and from SIGTERM to its end.
JOINS, ENDS = 2, 4
ROOM = {"cpu": "4", "memory": "8Gi", "pods": "110"}


@dataclass
class Played:
    """One pod of a Job, from its beginning to its end, in whole seconds as Kubernetes has them."""

    namespace: str
    arguments: list
    began: datetime.datetime
    ended: datetime.datetime
    code: int


class Kubelet:
    """As a context manager: no real worker outlives it."""

    def __init__(self, api, port, certificate, key, program):
        self.api, self.program = api, program
        self.logs, self.seen, self.played, self.history = {}, set(), {}, []
        # Of all pods, whether they were given a token of the API server.
        self.tokens = {}
        # Namespaces whose workers are the program, the events that ask those to end, their threads, how they ended.
        self.real, self.leaving, self.threads, self.ended = set(), {}, [], []
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        for work in (self.server.serve_forever, self._watch):
            threading.Thread(target=work, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        """Ends the workers that are still there and real, and waits for them."""
        for leaving in self.leaving.values():
            leaving.set()
        for thread in self.threads:
            thread.join()

    def ends(self, namespace, how):
        """From now on each pod of a Job there ends with what `how` says of its arguments: exit code and log."""
        self.played[namespace] = lambda pod: how(pod["spec"]["containers"][0]["args"])

    def runs_the_program(self, namespace):
        """From now on a pod there is what its container says: this program, with that configuration and environment."""
        self.played[namespace] = lambda pod: programs.check(self.api, self.program, pod)
        self.real.add(namespace)

    def succeeds(self, namespace):
        self.played.pop(namespace, None)
        self.real.discard(namespace)

    def nodes(self, count):
        """Makes them, in two zones. Who monitors nodes is told not to miss their heartbeats."""
        for number in range(count):
            name = f"node-{number}"
            labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "topology.kubernetes.io/zone": f"zone-{number % 2}"}
            self.api.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}})
            status = {
                "conditions": [{"type": "Ready", "status": "True", "reason": "Played", "lastHeartbeatTime": stamp(now())}],
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": self.server.server_port}},
                "capacity": ROOM, "allocatable": ROOM,
            }
            self.api.must("PATCH", f"/api/v1/nodes/{name}/status", {"status": status}, form=MERGE)

    def _watch(self):
        while True:
            status, answer = self.api.call("GET", "/api/v1/pods")
            for pod in answer["items"] if status == 200 else []:
                self.tokens[pod["metadata"]["uid"]] = has_token(pod)
                if "deletionTimestamp" in pod["metadata"]:
                    self._once("ended", self._end, pod)
                elif pod["status"]["phase"] == "Pending" and pod["spec"].get("nodeName"):
                    real = pod["metadata"]["namespace"] in self.real
                    self._once("begun", self._play if is_job(pod) else self._work if real else self._join, pod)
            time.sleep(0.2)

    def _once(self, what, work, pod):
        known = (what, pod["metadata"]["uid"])
        if known not in self.seen:
            self.seen.add(known)
            threading.Thread(target=work, args=(pod,), daemon=True).start()

    def _join(self, pod):
        time.sleep(JOINS)
        self._tell_running(pod, True)

    def _work(self, pod):
        """It is never called ready: who asks its probes is the scene."""
        self._tell_running(pod, False)
        leaving = self.leaving[pod["metadata"]["uid"]] = threading.Event()
        self.threads.append(threading.current_thread())
        self.ended.append(programs.worker(self.api, self.program, pod, leaving))
        self.api.call("DELETE", path(pod), {"gracePeriodSeconds": 0})

    def _tell_running(self, pod, ready):
        container, = pod["spec"]["containers"]
        began, number = stamp(now()), len(self.seen)
        running = {
            "name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0, "ready": ready, "started": ready,
            "state": {"running": {"startedAt": began}},
        }
        told = {"Initialized": True, "ContainersReady": ready, "Ready": ready}
        conditions = [{"type": kind, "status": str(is_so), "lastTransitionTime": began} for kind, is_so in told.items()]
        conditions += [entry for entry in pod["status"]["conditions"] if entry["type"] == "PodScheduled"]
        address = f"10.244.{number // 250}.{number % 250 + 1}"
        status = {
            "phase": "Running", "startTime": began, "conditions": conditions, "containerStatuses": [running], "hostIP": "127.0.0.1",
            "podIP": address, "podIPs": [{"ip": address}],
        }
        self.api.call("PATCH", path(pod) + "/status", {"status": status}, MERGE)

    def _end(self, pod):
        leaving = self.leaving.get(pod["metadata"]["uid"])
        if leaving:
            leaving.set()
            return
        if pod["status"]["phase"] == "Running":
            time.sleep(ENDS)
        self.api.call("DELETE", path(pod), {"gracePeriodSeconds": 0})

    def _play(self, pod):
        container, = pod["spec"]["containers"]
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        began = now()
        common = {"name": container["name"], "image": container["image"], "imageID": "", "restartCount": 0}
        running = {**common, "ready": True, "started": True, "state": {"running": {"startedAt": stamp(began)}}}
        status = {"phase": "Running", "startTime": stamp(began), "containerStatuses": [running]}
        self.api.call("PATCH", path(pod) + "/status", {"status": status}, MERGE)
        code, log = self.played.get(namespace, lambda pod: (0, "all is well\n"))(pod)
        self.logs[namespace, name] = log
        self.history.append(Played(namespace, container["args"], began, now(), code))
        reason = "Error" if code else "Completed"
        # As the container asks for: its last lines are what it ended for.
        told = log[-2048:] if code and container["terminationMessagePolicy"] == "FallbackToLogsOnError" else ""
        end = {"exitCode": code, "reason": reason, "message": told, "startedAt": stamp(began), "finishedAt": stamp(now())}
        ended = {**common, "ready": False, "started": False, "state": {"terminated": end, "running": None}}
        status = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [ended]}
        self.api.call("PATCH", path(pod) + "/status", {"status": status}, MERGE)

    def _handler(self):
        logs = self.logs

        class Handler(http.server.BaseHTTPRequestHandler):
            """What the API server asks a kubelet when somebody wants a log."""

            def do_GET(self):
                asked = re.match(r"/containerLogs/([^/]+)/([^/]+)/", self.path)
                log = logs.get(asked.groups()) if asked else None
                self.send_response(404 if log is None else 200)
                self.send_header("Content-Type", "text/plain")
                self.end_headers()
                self.wfile.write((log or "no such log").encode())

            def log_message(self, *_):
                pass

        return Handler


def is_job(pod):
    return any(owner["kind"] == "Job" for owner in pod["metadata"].get("ownerReferences", []))


def has_token(pod):
    """Kubernetes puts it into a volume that nobody asked for, unless the pod or its account says not to."""
    sources = [source for volume in pod["spec"].get("volumes", []) for source in volume.get("projected", {}).get("sources", [])]
    return any("serviceAccountToken" in source for source in sources)


def path(pod):
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"


def now():
    return datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def stamp(time):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ")
