"""Every number of the chart with what it comes from: a setting, a constant of the program, a measurement, or Sunbird.

What can be compared is compared: `helm/check` renders the chart with everything in it, finds each number here, and asks whether it
still fits what it comes from. The README has the same as a table.
"""

import pathlib
import re
import tomllib
from dataclasses import dataclass, field
from typing import Callable

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# Where numbers are names, or text of somebody else's: deploy/alerts.yaml has its own.
SKIPPED_KINDS = {"PrometheusRule", "ConfigMap", "Secret"}
SKIPPED_KEYS = {"labels", "annotations", "matchLabels", "matchLabelKeys", "selector"}


@dataclass(frozen=True)
class Number:
    """`path` is the end of its place in a resource, without the indexes of lists; `|` between several such places."""

    path: str
    value: object
    source: str
    fits: Callable = field(default=lambda value, known: True)

    def is_at(self, path):
        return any(path == own or path.endswith(f".{own}") for own in self.path.split("|"))


class Known:
    """What numbers come from, read where it is."""

    def __init__(self):
        self.defaults = tomllib.loads((ROOT / "config" / "default.toml").read_text())
        self.values = {}

    def setting(self, path):
        """A duration of default.toml in seconds, or another value as it is."""
        found = self.defaults
        for part in path.split("."):
            found = found[part]
        return seconds(found) if isinstance(found, str) and re.fullmatch(r"\d+(ms|s|min|h|d)", found) else found

    def constant(self, file, name):
        """A duration in the program's source, in seconds."""
        written = re.search(rf"const {name}: Duration = Duration::from_(secs|mins|hours)\((\d+)\)", (ROOT / file).read_text())
        if not written:
            raise LookupError(f"{file} has no duration {name}: checking/numbers.py must follow it")
        return int(written[2]) * {"secs": 1, "mins": 60, "hours": 3600}[written[1]]

    def memory(self):
        """MiB: the most that a worker of the fault suite ever had."""
        return max(int(number) for number in re.findall(r"(\d+) MiB", (ROOT / "docs" / "faults.md").read_text()))

    def leaving(self):
        """Seconds of the last commit and of leaving the group, at most."""
        consumer = "src/adapters/kafka/consumer.rs"
        return self.constant(consumer, "FINAL_COMMIT_LIMIT") + self.constant(consumer, "LEAVE_LIMIT")


def seconds(duration):
    number, unit = re.fullmatch(r"(\d+)(ms|s|min|h|d)", duration).groups()
    return int(number) * {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}[unit]


def mebibytes(quantity):
    return int(quantity.removesuffix("Mi"))


def port_of(address):
    return int(address.rpartition(":")[2])


NUMBERS = [
    Number("Deployment.spec.replicas", 2, "one works; a second takes over what the first leaves"),
    Number("terminationGracePeriodSeconds", 40,
           "`shutdown_timeout` (25 s), the last commit and leaving the group (3 s and 6 s at most: `FINAL_COMMIT_LIMIT`, `LEAVE_LIMIT` "
           "of src/adapters/kafka/consumer.rs), the rest to spare",
           lambda value, known: known.setting("shutdown_timeout") + known.leaving() < value <= known.setting("shutdown_timeout") + 20),
    Number("minReadySeconds", 15,
           "more than twice `drain_timeout` (2 s), which each of a rebalance's two rounds may take: the next worker is left alone "
           "for so long", lambda value, known: value > 2 * known.setting("drain_timeout")),
    Number("progressDeadlineSeconds", 600,
           "Kubernetes' default; a replacement takes about a minute: the grace period, the start, minReadySeconds",
           lambda value, known: value > 5 * (40 + 15)),
    Number("revisionHistoryLimit", 5, "versions that `kubectl rollout undo` knows; Helm keeps ten by itself"),
    Number("rollingUpdate.maxSurge", 0, "no worker more than were asked for: each one that comes or goes moves partitions"),
    Number("rollingUpdate.maxUnavailable", 1, "one after the other: of two workers one is always ready"),
    Number("PodDisruptionBudget.spec.maxUnavailable", 1, "as in a rollout"),
    Number("securityContext.runAsUser", 1001, "Sunbird's charts: user and group 1001"),
    Number("securityContext.runAsGroup", 1001, "likewise"),
    Number("securityContext.fsGroup", 1001, "likewise"),
    Number("topologySpreadConstraints.maxSkew", 1, "as even as it can be"),
    Number("containers.ports.containerPort", 8080, "`http.listen`", lambda value, known: value == port_of(known.setting("http.listen"))),
    Number("Service.spec.ports.port", 8080, "the same", lambda value, known: value == port_of(known.setting("http.listen"))),
    Number("startupProbe.periodSeconds", 5, "a third of minReadySeconds: a start is noticed soon enough not to count"),
    Number("startupProbe.failureThreshold", 720,
           "times 5 s: an hour, in which a starting worker waits for Kafka; a restart would only add a crash loop's pauses",
           lambda value, known: value * 5 == 3600),
    Number("startupProbe.timeoutSeconds", 5, "the answer waits for nothing: of 9,000, on two busy cores, none took more than 5 ms"),
    Number("livenessProbe.periodSeconds", 10,
           "three times that are `kafka.session_timeout` (30 s): when a hung worker is restarted, the group has given its partitions away",
           lambda value, known: value * 3 == known.setting("kafka.session_timeout")),
    Number("livenessProbe.failureThreshold", 3,
           "half a minute on top of the minute after which the program calls itself dead (`PATIENCE` of src/admin/health.rs)",
           lambda value, known: known.constant("src/admin/health.rs", "PATIENCE") == 60),
    Number("livenessProbe.timeoutSeconds", 5, "as of the start"),
    Number("readinessProbe.periodSeconds", 5, "three answers within minReadySeconds", lambda value, known: 3 * value <= 15),
    Number("readinessProbe.failureThreshold", 3, "nothing is routed by it, so one late answer is no reason"),
    Number("readinessProbe.timeoutSeconds", 5, "as of the start"),
    Number("resources.requests.cpu", "100m", "what Sunbird's charts set aside for a service"),
    Number("resources.requests.memory", "128Mi", "more than the most that a worker of the fault suite had: MEMORY MiB, docs/faults.md",
           lambda value, known: mebibytes(value) >= known.memory()),
    Number("resources.limits.memory", "512Mi", "at least twice that; records of a megabyte need room in librdkafka's queues",
           lambda value, known: mebibytes(value) >= 2 * known.memory()),
    Number("Job.spec.backoffLimit", 3, "asked again after about 10, 20 and 40 s, as Kubernetes does by itself"),
    Number("Job.spec.activeDeadlineSeconds", 240,
           "four askings of 15 s at most (`PATIENCE` of src/commands/check.rs), the pauses between them, and 20 s each to be scheduled",
           lambda value, known: value >= 4 * (known.constant("src/commands/check.rs", "PATIENCE") + 20) + 10 + 20 + 40),
    Number("ttlSecondsAfterFinished", 86400, "a day to read why a check failed"),
    Number("onExitCodes.values", (1, 64, 70), "the program's exit codes that asking again does not change (README, \"Running it\")"),
    Number("Job.spec.template.spec.containers.args", "4", "`topics.partitions`: as many workers as autoscaling may start share them"),
    Number("CronJob.spec.startingDeadlineSeconds", 3600, "a missed one begins within the hour, long before the next is due"),
    Number("CronJob.spec.successfulJobsHistoryLimit", 3, "Kubernetes' default"),
    Number("CronJob.spec.failedJobsHistoryLimit", 3, "as many: each is for a person to read"),
    Number("jobTemplate.spec.activeDeadlineSeconds", 21600, "six hours: begun at night, over before the day's work"),
    Number("jobTemplate.spec.backoffLimit", 3, "as of the check"),
    Number("minReplicaCount|minReplicas", 1, "one does"),
    Number("maxReplicaCount|maxReplicas", 4, "`topics.partitions`: one more would have no partition",
           lambda value, known: value == known.values["topics.partitions"]),
    Number("pollingInterval", 30, "`serviceMonitor.interval`: there is nothing newer to see",
           lambda value, known: value == known.values["serviceMonitor.interval"]),
    Number("scaleUp.stabilizationWindowSeconds", 120,
           "more than two steps of a rollout (the grace period and minReadySeconds): a rebalance is never taken for load",
           lambda value, known: value > 2 * (40 + 15)),
    Number("scaleUp.policies.value", 1, "each worker that comes stops the whole group for a moment"),
    Number("scaleUp.policies.periodSeconds", 120, "as the window"),
    Number("scaleDown.stabilizationWindowSeconds", 900, "longer than `delay.after` (10 min): follow-ups come due in waves of that length",
           lambda value, known: value > known.setting("delay.after")),
    Number("scaleDown.policies.value", 1, "as upwards"),
    Number("scaleDown.policies.periodSeconds", 900, "as the window"),
    Number("metadata.threshold|target.averageValue", "5000",
           "50 s of what one pod of the Sync API does (about 100 users a second, measured on Sunbird's own service): less is done before "
           "another worker has joined"),
    Number("endpoints.interval", "30s", "Sunbird's charts"),
    Number("endpoints.scrapeTimeout", "10s", "Sunbird's charts"),
    Number("NetworkPolicy.spec.egress.ports.port", ..., "53 for DNS; the others are those of the addresses in `config`"),
]


def found(resources):
    """(path, value) of every number that the resources have; several in one list are one value."""
    numbers = {}
    for resource in resources:
        if resource["kind"] not in SKIPPED_KINDS:
            for path, value in leaves(resource["kind"], resource):
                numbers.setdefault(path, set()).add(value)
    return {path: value.pop() if len(value) == 1 else tuple(sorted(value)) for path, value in numbers.items()}


def leaves(path, value):
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in SKIPPED_KEYS:
                yield from leaves(f"{path}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(path, inner)
    elif is_number(value):
        yield path, value


def is_number(value):
    plain = isinstance(value, int) and not isinstance(value, bool)
    return plain or isinstance(value, str) and bool(re.fullmatch(r"\d+(m|s|Mi|Gi|%)?", value))


def faults(resources, values):
    """A line for each number that is not traced, or no longer fits."""
    known = Known()
    interval = seconds(values["serviceMonitor"]["interval"])
    known.values = {"topics.partitions": values["topics"]["partitions"], "serviceMonitor.interval": interval}
    used = set()
    for path, value in found(resources).items():
        number = next((number for number in NUMBERS if number.is_at(path)), None)
        if number is None:
            yield f"{path} is {value}, and checking/numbers.py does not say where that comes from"
            continue
        used.add(number.path)
        if number.value is not ... and number.value != value:
            yield f"{path} is {value}, checking/numbers.py says {number.value}"
        elif number.value is not ... and not number.fits(value, known):
            yield f"{path} is {value}, which no longer fits: {number.source}"
    yield from (f"{number.path} is in checking/numbers.py, and no resource has it" for number in NUMBERS if number.path not in used)


def table():
    """For the README."""
    memory = str(Known().memory())
    lines = ["| number | value | where it comes from |", "| --- | --- | --- |"]
    for number in NUMBERS:
        values = number.value if isinstance(number.value, tuple) else (number.value,)
        shown = "as configured" if number.value is ... else ", ".join(map(str, values))
        path = number.path.replace("|", "`, `")
        lines.append(f"| `{path}` | {shown} | {number.source.replace('MEMORY', memory)} |")
    return lines
