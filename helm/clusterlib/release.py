"""One release of the chart as a person has it, and its workers as a client of the API server sees them."""

import json
import os
import pathlib
import subprocess
import time

import yaml

from checking import tools
from clusterlib import leftovers
from clusterlib.api import until

# Pods that are not locked up are refused by the API server itself.
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
CHART = pathlib.Path(__file__).resolve().parent.parent / "user-purge-sync"
NAME = "user-purge-sync"
WORKERS = "app.kubernetes.io/component=worker"


class Release:
    """`said` stands on every command line that installs or upgrades. `before` is what was in the namespace without it, `name` that of
    its resources."""

    def __init__(self, cluster, namespace, variant, *said):
        self.api, self.namespace, self.folder = cluster.api, namespace, cluster.folder
        self.kubeconfig, self.version = cluster.kubeconfig, cluster.version()
        self.values = CHART / "ci" / f"{variant}-values.yaml"
        self.said, self.before, self.name = said, [], NAME
        self.core = f"/api/v1/namespaces/{namespace}"
        self.apps = f"/apis/apps/v1/namespaces/{namespace}"

    def helm(self, *words):
        """Nothing of the person's own helm is read or written."""
        homes = {f"HELM_{kind}_HOME": str(self.folder / "helm" / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "KUBECONFIG": str(self.kubeconfig), **homes}
        command = [tools.helm(), *map(str, words), "--namespace", self.namespace]
        return subprocess.run(command, env=environment, capture_output=True, text=True)

    def install(self, *more):
        return self.helm("install", NAME, CHART, "--create-namespace", "--values", self.values, "--wait", *self.said, *more)

    def upgrade(self, *more):
        return self.helm("upgrade", NAME, CHART, "--values", self.values, "--wait", *self.said, *more)

    def uninstall(self):
        return self.helm("uninstall", NAME, "--wait")

    def revisions(self):
        return [entry["revision"] for entry in json.loads(self.helm("history", NAME, "--output", "json").stdout)]

    def left(self, patience=60):
        """What is there that was not there before, once it is nothing or after so many seconds."""
        def more():
            return [found for found in leftovers.everything(self) if found not in self.before]
        end = time.monotonic() + patience
        while more() and time.monotonic() < end:
            time.sleep(0.5)
        return more()

    def rendered(self):
        return self.helm("template", NAME, CHART, "--values", self.values, "--kube-version", self.version, *self.said)

    def deployment(self):
        return self.api.get(f"{self.apps}/deployments/{self.name}")

    def configuration(self):
        return self.api.get(f"{self.core}/configmaps/{self.name}")["data"]["config.toml"]

    def workers(self):
        return self.api.items(f"{self.core}/pods", labelSelector=WORKERS)

    def names(self):
        """Of the workers that are not about to end."""
        return sorted(pod["metadata"]["name"] for pod in self.workers() if not is_ending(pod))

    def at_rest(self):
        """Waits until every worker is of the newest version and has been ready for so long as it has to be, and the old ones are gone."""
        def rests():
            deployment = self.deployment()
            status, wanted = deployment["status"], deployment["spec"]["replicas"]
            counts = [status.get(key, 0) for key in ("replicas", "updatedReplicas", "availableReplicas")]
            seen = status.get("observedGeneration") == deployment["metadata"]["generation"]
            return seen and counts == [wanted] * 3 and len(self.workers()) == wanted
        until("the rollout", rests, 180)


def prepared(cluster, namespace, variant, *said):
    """A release in a namespace where a person has put the Secrets and ConfigMaps that the variant names."""
    release = Release(cluster, namespace, variant, *said)
    cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": RESTRICTED}})
    for (kind, name), keys in named(yaml.safe_load(release.values.read_text())).items():
        content = {"stringData" if kind == "Secret" else "data": dict.fromkeys(keys, "of the person")}
        cluster.api.create({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, **content})
    release.before = leftovers.everything(release)
    return release


def named(values):
    """(kind, name) of what is not the chart's, and the keys that have to be there."""
    found = {}
    for reference in values.get("secrets", {}).values():
        found.setdefault(("Secret", reference["name"]), []).append(reference["key"])
    for source in values.get("certificates", {}).values():
        kind = "Secret" if "secret" in source else "ConfigMap"
        found.setdefault((kind, source.get("secret") or source["configMap"]), []).append("ca.crt")
    return found


def addresses(release, count):
    """Those to which the Service leads, once they are so many."""
    slices = release.api.items(f"/apis/discovery.k8s.io/v1/namespaces/{release.namespace}/endpointslices")
    endpoints = [endpoint for entry in slices for endpoint in entry.get("endpoints") or [] if endpoint["conditions"].get("ready")]
    found = [address for endpoint in endpoints for address in endpoint["addresses"]]
    return found if len(found) == count else None


class Watch:
    """What became of the workers meanwhile, change by change, as the API server tells it at the end of the context."""

    def __init__(self, release):
        self.api, self.path = release.api, f"{release.core}/pods"
        # How many were ready, stood, or were there at all, after each change.
        self.ready, self.standing, self.all = [], [], []
        # Each by name: as it was last, or when it was first asked to end.
        self.pods = {}

    def __enter__(self):
        begin = self.api.must("GET", self.path, labelSelector=WORKERS)
        self.version = begin["metadata"]["resourceVersion"]
        self.there = {pod["metadata"]["name"]: pod for pod in begin["items"]}
        self.pods.update(self.there)
        self._count()
        return self

    def __exit__(self, *_):
        for event in self.api.changes(self.path, self.version, labelSelector=WORKERS):
            pod, name = event["object"], event["object"]["metadata"]["name"]
            self.there[name] = pod
            if event["type"] == "DELETED":
                del self.there[name]
            if name not in self.pods or not is_ending(self.pods[name]):
                self.pods[name] = pod
            self._count()

    def _count(self):
        standing = [pod for pod in self.there.values() if not is_ending(pod)]
        self.ready.append(sum(map(is_ready, standing)))
        self.standing.append(len(standing))
        self.all.append(len(self.there))


def is_ending(pod):
    return "deletionTimestamp" in pod["metadata"]


def is_ready(pod):
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in pod["status"].get("conditions", []))
