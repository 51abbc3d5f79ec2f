"""Every variant of ci/, as the API server judges it, and those that the other scenes do not have, installed."""

import collections
import copy

import yaml

from clusterlib import leftovers
from clusterlib.api import message, until
from clusterlib.release import CHART, NAME, Release, is_ready, prepared


def dry_runs(claims, cluster):
    namespace = "variants"
    cluster.api.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    rendered = {}
    for values in sorted((CHART / "ci").glob("*-values.yaml")):
        name = values.name.removesuffix("-values.yaml")
        told = Release(cluster, namespace, name).rendered()
        resources = [resource for resource in yaml.safe_load_all(told.stdout) if resource]
        answers = [(resource, *cluster.api.try_out(resource)) for resource in resources]
        faults = [f"{resource['kind']}: {message(answer)}" for resource, status, answer in answers if status not in (200, 201)]
        claims.that(f"{name}: {len(resources)} resources pass the server's dry run", resources and not faults, faults or told.stderr)
        rendered |= {(name, resource["kind"]): resource for resource in resources}
    for what, key, change, word in BAD:
        resource = copy.deepcopy(rendered[key])
        change(resource["spec"])
        status, answer = cluster.api.try_out(resource)
        claims.that(f"{what} is refused", status >= 400 and word in message(answer), f"{status} {message(answer)}")
    left = leftovers.everything(Release(cluster, namespace, "minimal"))
    claims.that("the dry runs left nothing", not left, left)


# What is done to a resource of a variant, and a word of the answer.
BAD = [
    ("a misspelt key of a worker", ("minimal", "Deployment"),
     lambda spec: spec["template"]["spec"]["containers"][0].update(livenesProbe={}), "livenesProbe"),
    ("a rollout that may not begin", ("minimal", "Deployment"),
     lambda spec: spec["strategy"]["rollingUpdate"].update(maxUnavailable=0), "maxUnavailable"),
    ("a budget of two minds", ("minimal", "PodDisruptionBudget"), lambda spec: spec.update(minAvailable=1), "minAvailable"),
    ("a schedule that is none", ("spark-yugabytedb", "CronJob"), lambda spec: spec.update(schedule="sometimes"), "schedule"),
    ("a misspelt key of a ServiceMonitor", ("ed-installer", "ServiceMonitor"),
     lambda spec: spec["endpoints"][0].update(intervall="30s"), "intervall"),
    ("a ScaledObject without a target", ("spark-yugabytedb", "ScaledObject"), lambda spec: spec.pop("scaleTargetRef"), "scaleTargetRef"),
]


def minimal(claims, cluster, kubelet):
    release = installed(claims, prepared(cluster, "minimal", "minimal"))
    release.at_rest()
    claims.that("two workers are ready", ready(release) == 2, release.names())
    asked = [entry.arguments[2:] for entry in kubelet.history if entry.namespace == release.namespace]
    wanted = [["check", "--create-topics", "--partitions", "4"]]
    claims.that("after one check, which makes topics of four partitions", asked == wanted, asked)
    account = release.api.get(f"{release.core}/serviceaccounts/{NAME}")
    claims.that("their account has no token", account.get("automountServiceAccountToken") is False, account)
    switched(claims, release)
    uninstalled(claims, release)


def switched(claims, release):
    """What is off until a person wants it comes with an upgrade, and goes with its rollback; the workers stay."""
    workers, before = release.names(), kinds(release)
    switches = [f"{part}.enabled=true" for part in ("audit", "backfill", "networkPolicy", "serviceMonitor", "prometheusRule")]
    told = release.upgrade("--set", ",".join(switches))
    claims.that("an upgrade that switches on what is off ends well", told.returncode == 0, told.stderr)
    wanted = {"CronJob": 2, "NetworkPolicy": 1, "ServiceMonitor": 1, "PrometheusRule": 1}
    more = kinds(release) - before
    claims.that(f"and brings {', '.join(wanted)}", more == collections.Counter(wanted), more)
    told = release.helm("rollback", NAME, 1, "--wait")
    claims.that("its rollback ends well", told.returncode == 0, told.stderr)
    claims.that("and takes them away again", kinds(release) == before, kinds(release))
    claims.that("the workers are the same ones", release.names() == workers, f"{workers} {release.names()}")


def kinds(release):
    """How many of each kind, but for helm's own notes."""
    return collections.Counter(kind for kind, name in leftovers.everything(release) if not name.startswith("sh.helm.release."))


def dry_run(claims, cluster, kubelet):
    release = installed(claims, prepared(cluster, "dry-run", "dry-run"))
    release.at_rest()
    claims.that("one worker is ready", ready(release) == 1, release.names())
    claims.that("for a dry run", 'mode = "dry-run"' in release.configuration(), release.configuration())
    asked = [entry.arguments for entry in kubelet.history if entry.namespace == release.namespace]
    claims.that("nothing was asked before, as the variant says", not asked, asked)
    uninstalled(claims, release)


def external_kafka(claims, cluster, kubelet):
    """All that is optional: an autoscaler, whose controller is the real one, a network policy, a check beside, certificates."""
    cluster.api.create({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "low"}, "value": -1})
    release = installed(claims, prepared(cluster, "external", "external-kafka"), "purge")
    scaler = f"/apis/autoscaling/v2/namespaces/{release.namespace}/horizontalpodautoscalers/purge"
    until("the autoscaler's minimum", lambda: release.deployment()["spec"]["replicas"] == 2, 60)
    release.at_rest()
    claims.that("the autoscaler brought one worker to its minimum, two", ready(release) == 2, release.names())
    reasons = {entry["type"]: entry["reason"] for entry in release.api.get(scaler)["status"]["conditions"]}
    blind = reasons.get("ScalingActive") == "FailedGetExternalMetric"
    claims.that("without the metric, which nobody serves here, it does no more", blind, reasons)
    check = release.api.get(f"/apis/batch/v1/namespaces/{release.namespace}/jobs/purge-check-1")
    claims.that("the check ran beside the workers", check["status"].get("succeeded") == 1, check["status"])
    policy = release.api.get(f"/apis/networking.k8s.io/v1/namespaces/{release.namespace}/networkpolicies/purge")["spec"]
    chosen = policy["podSelector"]["matchLabels"].items()
    missed = [pod["metadata"]["labels"] for pod in release.workers() if not chosen <= pod["metadata"]["labels"].items()]
    claims.that("the network policy chooses every worker", not missed, f"{chosen} {missed}")
    told = release.upgrade()
    claims.that("an upgrade, whose check is a Job of its own, ends well", told.returncode == 0, told.stderr)
    replicas = release.deployment()["spec"]["replicas"]
    claims.that("and leaves the autoscaler's number alone", replicas == 2, replicas)
    uninstalled(claims, release)


def installed(claims, release, name=NAME):
    told = release.install()
    claims.that(f"helm install --wait ends well with {release.values.name}", told.returncode == 0, told.stderr)
    release.name = name
    return release


def uninstalled(claims, release):
    told = release.uninstall()
    claims.that("helm uninstall ends well", told.returncode == 0, told.stderr)
    left = release.left()
    claims.that("and leaves nothing but what a person had put there", not left, left)


def ready(release):
    return sum(map(is_ready, release.workers()))
