"""What this instance of the stack is: its folders, its ports, its versions. Everything that the environment decides is
read here and nowhere else."""

import os
import re
import xml.etree.ElementTree as xml
from dataclasses import dataclass
from pathlib import Path

from .errors import StackError

HERE = Path(__file__).resolve().parent.parent
POM = HERE / "pom.xml"
SHORT_VERSIONS = {
    # Majors as people say them, and the release of each that was tried here.
    "kafka": {"3.9": "3.9.2", "4": "4.3.1"},
    "cassandra": {"3.11": "3.11.13", "4": "4.1.10", "5": "5.0.9"},
    "postgres": {"11": "11.22.0", "12": "12.20.0", "15": "15.13.0", "17": "17.2.0"},
    "keycloak": {"9": "9.0.3", "21": "21.1.2", "26": "26.7.3"},
}


@dataclass(frozen=True)
class Settings:
    """One instance. Two with different names and port offsets run side by side."""

    name: str
    state: Path
    cache: Path
    ports: dict
    versions: dict
    env_name: str
    # Off only for test runs: it survives kill -9, but not a crash of the machine, and it hides what commits cost.
    fsync: bool
    # A file of settings of Cassandra's that replace ours, as for a test of TLS; None: there is none.
    cassandra_yaml: Path | None

    def port(self, key):
        """The port that ports.env calls `key`, with this instance's offset."""
        return self.ports[key]


def load(environ=os.environ):
    """Reads ports.env, pom.xml and the STACK_… and …_VERSION variables."""
    name = environ.get("STACK") or "default"
    if not re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", name):
        raise StackError(f"STACK={name!r}: use letters, digits, '.', '-' and '_'")
    env_name = environ.get("STACK_ENV") or "dev"
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,40}", env_name):
        raise StackError(f"STACK_ENV={env_name!r}: use letters, digits, '-' and '_'")
    base = Path(environ.get("STACK_STATE") or HERE / ".state").absolute()
    return Settings(
        name=name,
        state=base / name,
        cache=Path(environ.get("STACK_CACHE") or HERE / ".cache").absolute(),
        ports=_ports(environ.get("STACK_PORT_OFFSET") or "0"),
        versions={part: _version(part, environ) for part in SHORT_VERSIONS},
        env_name=env_name,
        fsync=environ.get("STACK_FSYNC", "on") != "off",
        cassandra_yaml=Path(environ["STACK_CASSANDRA_YAML"]) if environ.get("STACK_CASSANDRA_YAML") else None,
    )


def pom_property(name):
    """A property of pom.xml, the one place that names default versions."""
    found = xml.parse(POM).find(f".//{{*}}properties/{{*}}{name}")
    if found is None or not found.text:
        raise StackError(f"{POM} has no property {name}")
    return found.text.strip()


def _version(part, environ):
    asked = environ.get(f"{part.upper()}_VERSION")
    version = SHORT_VERSIONS[part].get(asked, asked) or pom_property(f"{part}.version")
    if not re.fullmatch(r"[0-9][0-9A-Za-z.+~:-]*", version):
        raise StackError(f"{part.upper()}_VERSION={version!r} is not a version")
    return version


def _ports(offset):
    try:
        shift = int(offset)
    except ValueError:
        raise StackError(f"STACK_PORT_OFFSET={offset!r} is not a number") from None
    lines = (HERE / "ports.env").read_text().splitlines()
    pairs = (line.split("=", 1) for line in lines if line.strip() and not line.startswith("#"))
    ports = {key.strip(): int(value) + shift for key, value in pairs}
    outside = [key for key, port in ports.items() if not 1024 <= port <= 65535]
    if outside:
        raise StackError(f"STACK_PORT_OFFSET={offset}: {outside[0]} would be {ports[outside[0]]}, outside 1024 to 65535")
    return ports
