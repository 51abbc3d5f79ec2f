"""What happens to a release from its installation to its end, with Sunbird's values and nothing else."""

import datetime
import tomllib

from clusterlib import leftovers
from clusterlib.api import MERGE, message, until
from clusterlib.release import NAME, Release, Watch, addresses, is_ready


def play(claims, cluster, kubelet):
    release = Release(cluster, "sunbird", "ed-installer", "--set", "image.repository=registry.example.org/user-purge-sync")
    with claims.scene("install"):
        install(claims, release, kubelet)
    with claims.scene("upgrade"):
        first = release.configuration()
        upgrade(claims, release)
    with claims.scene("upgrade with a value that is none"):
        wrong_value(claims, cluster, release)
    with claims.scene("upgrade that the check refuses"):
        refused_upgrade(claims, release, kubelet)
    with claims.scene("rollback"):
        rollback(claims, release, first)
    with claims.scene("eviction"):
        eviction(claims, release)
    with claims.scene("uninstall"):
        uninstall(claims, release)


def install(claims, release, kubelet):
    told = release.install()
    claims.that("helm install --wait with Sunbird's values ends well", told.returncode == 0, told.stderr)
    claims.that("its notes say that nothing is deleted yet", "NOTHING is synced or deleted yet" in told.stdout, told.stdout)
    release.at_rest()
    checked = [entry for entry in kubelet.history if entry.namespace == release.namespace]
    begun = parsed(release.deployment()["metadata"]["creationTimestamp"])
    asked = [entry.arguments for entry in checked]
    claims.that("one check ran, and made the topics", len(asked) == 1 and "--create-topics" in asked[0], asked)
    claims.that("before the workers", all(entry.ended <= begun for entry in checked), f"{checked}, workers {begun}")
    left = [name for kind, name in leftovers.everything(release) if name.endswith("-check")]
    claims.that("of the check nothing is left", not left, left)
    config = tomllib.loads(release.configuration())
    found = (config["env"], config["kafka"]["brokers"], config["cassandra"]["hosts"], config["keycloak"]["host"])
    claims.that("the workers have Sunbird's addresses", found == ("sunbird-prod", "kafka:9092", ["cassandra"], "postgresql"), found)
    workers = release.workers()
    nodes = {pod["spec"]["nodeName"] for pod in workers}
    claims.that("two workers are ready, on two nodes", len(nodes) == 2 and all(map(is_ready, workers)), nodes)
    served = until("addresses of the Service", lambda: addresses(release, 2), 30)
    claims.that("both are behind the Service", len(served) == 2, served)
    missing = [name for pod in workers for name in named(pod) if release.api.call("GET", f"{release.core}/{name}")[0] != 200]
    claims.that("every Secret and ConfigMap that they name is there", not missing, missing)


def upgrade(claims, release):
    before = release.names()
    told = release.upgrade()
    claims.that("an upgrade that changes nothing ends well", told.returncode == 0, told.stderr)
    claims.that("and rolls nothing", release.names() == before, f"{before} {release.names()}")
    with Watch(release) as watch:
        told = release.upgrade("--set", "config.log.level=debug")
        claims.that("an upgrade that changes the configuration ends well", told.returncode == 0, told.stderr)
        release.at_rest()
    claims.that("and rolls every worker", not set(before) & set(release.names()), f"{before} {release.names()}")
    rolled_one_by_one(claims, release, watch, before)


def wrong_value(claims, cluster, release):
    """Refused on the person's own machine: the server's audit log has no change that helm asked for."""
    written, revisions = cluster.writes(release.namespace), release.revisions()
    claims.that("the server's audit log knows what helm has changed so far", any("deployments" in line for line in written), written)
    for word, change in WRONG.items():
        told = release.upgrade(*change)
        refused = told.returncode != 0 and "values don't meet the specifications of the schema" in told.stderr and word in told.stderr
        claims.that(f"{' '.join(change)} is refused by the values' schema", refused, told.stdout + told.stderr)
    more = cluster.writes(release.namespace)[len(written):]
    claims.that("before the server was asked to change anything", not more and release.revisions() == revisions, more)


# A word of the answer, and what is said on the command line.
WRONG = {
    "replicaCount": ["--set-string", "replicaCount=three"],
    "broker": ["--set", "config.kafka.broker=kafka:9092"],
    "drain_timeout": ["--set-string", "config.drain_timeout=2"],
}


def refused_upgrade(claims, release, kubelet):
    before = release.names()
    kubelet.runs_the_program(release.namespace)
    told = release.upgrade("--set", "config.kafka.session_timeout=3s")
    kubelet.succeeds(release.namespace)
    claims.that("an upgrade whose configuration the program refuses fails", told.returncode != 0, told.stdout)
    said = told.stdout + told.stderr
    claims.that("with the key to change in what helm prints", "kafka.session_timeout" in said, said)
    claims.that("and touches no worker", release.names() == before, f"{before} {release.names()}")
    copies = [entry for entry in leftovers.everything(release) if entry in (("Secret", f"{NAME}-check"), ("ConfigMap", f"{NAME}-check"))]
    claims.that("of the failed check no copy of a password or of the configuration is left", not copies, copies)
    claims.that("nor their configuration", "session_timeout" not in release.configuration(), release.configuration())


def rollback(claims, release, first):
    before = release.names()
    with Watch(release) as watch:
        told = release.helm("rollback", NAME, 1, "--wait")
        claims.that("helm rollback ends well", told.returncode == 0, told.stderr)
        release.at_rest()
    claims.that("the configuration is the first one again", release.configuration() == first, release.configuration())
    claims.that("every worker was rolled back", not set(before) & set(release.names()), before)
    rolled_one_by_one(claims, release, watch, before)


def rolled_one_by_one(claims, release, watch, before):
    """What the numbers of the Deployment are there for."""
    spec = release.deployment()["spec"]
    workers, pause = spec["replicas"], spec["minReadySeconds"]
    claims.that(f"never fewer than {workers - 1} of {workers} workers were ready", min(watch.ready) == workers - 1, watch.ready)
    claims.that(f"never more than {workers} stood", max(watch.standing) == workers, watch.standing)
    old = [watch.pods[name]["metadata"] for name in before]
    grace = {metadata.get("deletionGracePeriodSeconds") for metadata in old}
    wanted = spec["template"]["spec"]["terminationGracePeriodSeconds"]
    claims.that(f"each old one had {wanted} s to end", grace == {wanted}, grace)
    # Kubernetes' times are whole seconds, and deletionTimestamp is when the grace period is over.
    asked = sorted(parsed(metadata["deletionTimestamp"]) - datetime.timedelta(seconds=wanted) for metadata in old)
    joined = min(became_ready(pod) for name, pod in watch.pods.items() if name not in before and became_ready(pod))
    waited = (asked[-1] - joined).total_seconds()
    claims.that(f"the last old one was asked to end when the first new one had been ready for {pause} s", waited >= pause - 1, waited)
    # Kubernetes does not wait for the old one's end before it starts the new one.
    claims.that("never more than one old one was ending beside them", max(watch.all) <= workers + 1, watch.all)


def eviction(claims, release):
    budget = f"/apis/policy/v1/namespaces/{release.namespace}/poddisruptionbudgets/{NAME}"
    until("the budget", lambda: release.api.get(budget)["status"]["disruptionsAllowed"] >= 1)
    first, second = release.names()
    status, answer = evict(release, first)
    claims.that("the budget lets one worker go", status == 201, message(answer))
    # The budget's controller looks a moment later; the API server itself counts at once.
    status, answer = evict(release, second)
    claims.that("and refuses the other one meanwhile", (status, answer.get("reason")) == (429, "TooManyRequests"), answer)
    claims.that("for the budget's sake", "disruption budget" in message(answer), message(answer))
    claims.that("the other one stands", second in release.names(), release.names())
    release.at_rest()
    unready = {"conditions": [{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "False"}]}
    for name in release.names():
        release.api.must("PATCH", f"{release.core}/pods/{name}/status", {"status": unready}, form=MERGE)
    until("the budget", lambda: release.api.get(budget)["status"]["currentHealthy"] == 0)
    status, answer = evict(release, second)
    claims.that("workers that are not ready never keep a node from being drained", status == 201, message(answer))
    status, answer = evict(release, next(name for name in release.names() if name != second))
    claims.that("not even the last", status == 201, message(answer))
    release.at_rest()


def evict(release, name):
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": release.namespace}}
    return release.api.call("POST", f"{release.core}/pods/{name}/eviction", eviction)


def uninstall(claims, release):
    told = release.uninstall()
    claims.that("helm uninstall ends well", told.returncode == 0, told.stderr)
    job = f"/apis/batch/v1/namespaces/{release.namespace}/jobs/{NAME}-check"
    kept = release.api.get(job)["spec"]["ttlSecondsAfterFinished"]
    claims.that("the failed check of the upgrade is there for a day, with its log", kept == 86400, kept)
    release.api.must("PATCH", job, {"spec": {"ttlSecondsAfterFinished": 1}}, form=MERGE)
    left = release.left()
    claims.that("its day made a second, nothing is left in the namespace", not left, left)
    kept = release.api.get("/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
    claims.that("what is not the chart's stays: the definitions of others, the namespace", kept and release.api.get(release.core), kept)


def named(pod):
    for volume in pod["spec"]["volumes"]:
        if "configMap" in volume:
            yield f"configmaps/{volume['configMap']['name']}"
    for variable in pod["spec"]["containers"][0].get("env", []):
        if "secretKeyRef" in variable.get("valueFrom", {}):
            yield f"secrets/{variable['valueFrom']['secretKeyRef']['name']}"


def became_ready(pod):
    times = [condition["lastTransitionTime"] for condition in pod["status"].get("conditions", [])
             if (condition["type"], condition["status"]) == ("Ready", "True")]
    return parsed(times[0]) if times else None


def parsed(time):
    return datetime.datetime.fromisoformat(time)
