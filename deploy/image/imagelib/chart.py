"""What the chart asks of the image, read from its values and from what they become."""

import re
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[3] / "helm" / "user-purge-sync"


@dataclass(frozen=True)
class Wanted:
    """The user and group, the arguments, where the configuration is, the port; what a container may not do."""

    user: int
    group: int
    arguments: list
    mount: str
    port: int
    hardening: dict


def read():
    """From values.yaml and the snapshot of the smallest release. Python has no YAML, and helm/check has judged the syntax."""
    values = (FOLDER / "values.yaml").read_text()
    pod, container = section(values, "podSecurityContext"), section(values, "securityContext")
    rendered = (FOLDER / "ci" / "snapshots" / "minimal.yaml").read_text()
    deployment = next(part for part in rendered.split("\n---") if "\nkind: Deployment\n" in part)
    return Wanted(
        user=int(value(pod, "runAsUser")),
        group=int(value(pod, "runAsGroup")),
        arguments=re.findall(r'"([^"]+)"', value(deployment, "args")),
        mount=value(deployment, "mountPath"),
        port=int(value(deployment, "containerPort")),
        hardening={"runAsNonRoot": value(pod, "runAsNonRoot")} | {
            name: value(container, name) for name in ("allowPrivilegeEscalation", "readOnlyRootFilesystem", "drop")},
    )


def section(text, key):
    """The indented lines under a key of the first level."""
    return re.search(rf"(?m)^{key}:\n((?: .*\n)+)", text)[1]


def value(text, key):
    """What stands behind a key on its line."""
    return re.search(rf"(?m)^[ -]*{key}: (.+)$", text)[1].strip()
