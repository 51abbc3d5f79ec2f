"""What has to hold of every variant, whatever a snapshot says."""

import base64
import json
import re
import tomllib

# Literals of the variants that stand for passwords.
PASSWORDS = ["password-of-the-installer", "token-of-the-gateway"]
UNITS = {"ms": 0.001, "s": 1, "min": 60, "h": 3600, "d": 86400}


def broken(resources, defaults, secrets):
    """A line for each rule that does not hold."""
    pods = list(pod_specs(resources))
    return [
        *passwords_in_the_clear(resources),
        *(f"{name}: {fault}" for name, spec in pods for fault in pod_faults(spec)),
        *references(resources, pods, secrets),
        *hooks_need_nothing_of_the_release(resources),
        *grace(resources, defaults),
        *selectors(resources),
    ]


def pod_specs(resources):
    for resource in resources:
        spec = resource.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield f"{resource['kind']} {resource['metadata']['name']}", spec["template"]["spec"]


def passwords_in_the_clear(resources):
    for resource in resources:
        shown = json.dumps({key: value for key, value in resource.items() if (resource["kind"], key) != ("Secret", "data")})
        for password in PASSWORDS:
            encoded = base64.b64encode(password.encode()).decode()
            if password in shown or encoded in shown:
                yield f"{resource['kind']} {resource['metadata']['name']} holds a password: {password}"


def pod_faults(spec):
    container, = spec["containers"]
    wanted = {
        "automountServiceAccountToken": (spec.get("automountServiceAccountToken"), False),
        "runAsNonRoot": (spec["securityContext"].get("runAsNonRoot"), True),
        "seccompProfile": (spec["securityContext"].get("seccompProfile"), {"type": "RuntimeDefault"}),
        "readOnlyRootFilesystem": (container["securityContext"].get("readOnlyRootFilesystem"), True),
        "allowPrivilegeEscalation": (container["securityContext"].get("allowPrivilegeEscalation"), False),
        "capabilities": (container["securityContext"].get("capabilities"), {"drop": ["ALL"]}),
        "terminationMessagePolicy": (container.get("terminationMessagePolicy"), "FallbackToLogsOnError"),
    }
    yield from (f"{name} is {found}" for name, (found, right) in wanted.items() if found != right)
    if "memory" not in container["resources"].get("limits", {}):
        yield "memory has no limit"
    for variable in container.get("env", []):
        if variable["name"].startswith("USER_PURGE_SYNC__") and "secretKeyRef" not in variable.get("valueFrom", {}):
            yield f"{variable['name']} is no reference"


def references(resources, pods, secrets):
    """Secrets and ConfigMaps that pods name: of the release, or named in the values."""
    own = {(resource["kind"], resource["metadata"]["name"]) for resource in resources}
    for name, spec in pods:
        for kind, wanted in named(spec):
            if (kind, wanted) not in own and wanted not in secrets:
                yield f"{name} needs {kind} {wanted}, which nobody makes"


def named(spec):
    for volume in spec.get("volumes", []):
        if "secret" in volume:
            yield "Secret", volume["secret"]["secretName"]
        if "configMap" in volume:
            yield "ConfigMap", volume["configMap"]["name"]
    for variable in spec["containers"][0].get("env", []):
        if "secretKeyRef" in variable.get("valueFrom", {}):
            yield "Secret", variable["valueFrom"]["secretKeyRef"]["name"]


def hooks_need_nothing_of_the_release(resources):
    """Before an install there is nothing of it but earlier hooks."""
    def weight(resource):
        return int(resource["metadata"].get("annotations", {}).get("helm.sh/hook-weight", "0"))

    hooks = [resource for resource in resources if "helm.sh/hook" in resource["metadata"].get("annotations", {})]
    plain = {(resource["kind"], resource["metadata"]["name"]) for resource in resources if resource not in hooks}
    for hook in hooks:
        for name, spec in pod_specs([hook]):
            earlier = {(other["kind"], other["metadata"]["name"]) for other in hooks if weight(other) < weight(hook)}
            for needed in [*named(spec), ("ServiceAccount", spec["serviceAccountName"])]:
                if needed in plain and needed not in earlier:
                    yield f"{name} is a hook and needs {' '.join(needed)}, which comes after it"


def grace(resources, defaults):
    """The termination grace period is longer than the drain, the last commit (3 s) and leaving the group (6 s)."""
    config = configuration(resources)
    shutdown = seconds(config.get("shutdown_timeout", defaults["shutdown_timeout"]))
    drain = seconds(config.get("drain_timeout", defaults["drain_timeout"]))
    for resource in resources:
        if resource["kind"] == "Deployment":
            found = resource["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
            if not shutdown + 9 < found <= shutdown + 30:
                yield f"terminationGracePeriodSeconds is {found} with a shutdown_timeout of {shutdown} s"
            if resource["spec"]["minReadySeconds"] <= 2 * drain:
                yield f"minReadySeconds is {resource['spec']['minReadySeconds']} with a drain_timeout of {drain} s"
            if resource["spec"]["strategy"]["rollingUpdate"]["maxSurge"] != 0:
                yield "a rollout starts more workers than were asked for"


def selectors(resources):
    """What selects pods selects the workers, and jobs' pods are no workers."""
    deployment, = (resource for resource in resources if resource["kind"] == "Deployment")
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    for resource in resources:
        spec = resource.get("spec", {})
        selector = spec.get("selector", {})
        wanted = selector if resource["kind"] == "Service" else selector.get("matchLabels", {})
        if not wanted.items() <= labels.items() and resource["kind"] != "ServiceMonitor":
            yield f"{resource['kind']} {resource['metadata']['name']} selects nothing"
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template", {}) if resource["kind"] in ("Job", "CronJob") else {}
        if template and deployment["spec"]["selector"]["matchLabels"].items() <= template["metadata"]["labels"].items():
            yield f"{resource['kind']} {resource['metadata']['name']} would be counted as a worker"


def configuration(resources):
    configs = (resource for resource in resources if resource["kind"] == "ConfigMap")
    config, = (config for config in configs if "helm.sh/hook" not in config["metadata"].get("annotations", {}))
    return tomllib.loads(config["data"]["config.toml"])


def seconds(duration):
    return sum(int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|min|s|h|d)", duration))
