"""The API server as a client sees it: JSON over HTTPS, nothing else."""

import functools
import json
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from clusterlib.claims import Ended

APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


class Api:
    def __init__(self, port, token, authority):
        self.address, self.token = f"https://127.0.0.1:{port}", token
        self.context = ssl.create_default_context(cafile=str(authority))
        self.kinds = functools.cache(self._kinds)

    def call(self, method, path, body=None, form="application/json", **query):
        """Status and answer. A connection that fails is a status of 0."""
        asked = f"?{urllib.parse.urlencode(query)}" if query else ""
        request = urllib.request.Request(self.address + path + asked, method=method)
        request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.data = json.dumps(body).encode()
            request.add_header("Content-Type", form)
        try:
            with urllib.request.urlopen(request, context=self.context, timeout=30) as answer:
                return answer.status, content(answer)
        except urllib.error.HTTPError as error:
            return error.code, content(error)
        except OSError as error:
            return 0, {"message": str(error)}

    def must(self, method, path, body=None, **rest):
        status, answer = self.call(method, path, body, **rest)
        if not 200 <= status < 300:
            raise Ended(f"{method} {path}: {status} {message(answer)}")
        return answer

    def get(self, path):
        return self.must("GET", path)

    def items(self, path, **query):
        return self.must("GET", path, **query)["items"]

    def changes(self, path, version, **query):
        """All that has happened there since that version, in its order: the API server ends the answer after a second."""
        told = self.must("GET", path, watch="1", resourceVersion=version, timeoutSeconds="1", **query)
        # One document a line: JSON when there is one alone.
        events = [told] if isinstance(told, dict) else [json.loads(line) for line in told.splitlines()]
        if any(event["type"] == "ERROR" for event in events):
            raise Ended(f"GET {path}: {message(events[-1]['object'])}")
        return events

    def create(self, resource, **query):
        return self.must("POST", self.path(resource), resource, **query)

    def try_out(self, resource):
        """Status and answer of a server-side apply that changes nothing and allows no key that is not known."""
        path = f"{self.path(resource)}/{resource['metadata']['name']}"
        return self.call("PATCH", path, resource, APPLY, dryRun="All", fieldManager="helm-cluster", fieldValidation="Strict", force="true")

    def path(self, resource):
        """Where resources of its kind are."""
        version, kind = resource["apiVersion"], resource["kind"]
        found = [entry for entry in self.kinds(version) if entry["kind"] == kind and "/" not in entry["name"]]
        if not found:
            raise Ended(f"the API server has no {version} {kind}")
        namespace = resource["metadata"].get("namespace")
        return base(version) + (f"/namespaces/{namespace}" if namespace else "") + "/" + found[0]["name"]

    def _kinds(self, version):
        status, answer = self.call("GET", base(version))
        return answer["resources"] if status == 200 else []

    def versions(self):
        """Of every group the one that the server prefers."""
        groups = self.get("/apis")["groups"]
        return ["v1", *(group["preferredVersion"]["groupVersion"] for group in groups)]


def base(version):
    return f"/apis/{version}" if "/" in version else f"/api/{version}"


def content(answer):
    text = answer.read().decode()
    try:
        return json.loads(text) if answer.headers.get("Content-Type", "").startswith("application/json") else text
    except json.JSONDecodeError:
        return text


def message(answer):
    return answer.get("message", "") if isinstance(answer, dict) else answer


def until(what, ask, patience=90):
    """What `ask` says when that is something; asked five times a second."""
    begin = time.monotonic()
    while not (found := ask()):
        if time.monotonic() > begin + patience:
            raise Ended(f"{what}: not within {patience} s")
        time.sleep(0.2)
    return found
