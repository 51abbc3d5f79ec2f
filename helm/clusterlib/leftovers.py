"""What is in a namespace that Kubernetes did not put there itself."""

from clusterlib.api import base

# Kubernetes' own, in every namespace or by itself.
OWN = {("ServiceAccount", "default"), ("ConfigMap", "kube-root-ca.crt")}
# Told of what was, for an hour.
TOLD = {"Event"}


def everything(release):
    """(kind, name) of all resources of all kinds."""
    found = set()
    for version in release.api.versions():
        for entry in release.api.kinds(version):
            if entry["namespaced"] and "list" in entry["verbs"] and "/" not in entry["name"] and entry["kind"] not in TOLD:
                path = f"{base(version)}/namespaces/{release.namespace}/{entry['name']}"
                found |= {(entry["kind"], item["metadata"]["name"]) for item in release.api.items(path)}
    return sorted(found - OWN)
