"""The bill of materials: CycloneDX, from the lock file, the same bytes for the same commit.

Of the program alone: what only tests and the local stack use is not in it. What is needed to build it and is not linked into it
(macros, build scripts) has the scope "excluded".
"""

import json
import os
import tomllib
import uuid

from . import tools

NAME, TARGET = "user-purge-sync", "x86_64-unknown-linux-gnu"
# Used by tests alone; and the crates that do the work.
ABSENT, LINKED = ("proptest", "assert_cmd", "stateright", "local-stack"), ("rdkafka", "rdkafka-sys", "rustls", "scylla", "tokio-postgres")


def write(root, folder):
    """The file, and how many components it has."""
    bill = made(root)
    file = folder / f"{NAME}-{bill['metadata']['component']['version']}.cdx.json"
    folder.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(bill, indent=2) + "\n")
    return file, len(bill["components"])


def made(root):
    """All of it."""
    words = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]
    told = json.loads(tools.run(words, cwd=root))
    packages = {package["id"]: package for package in told["packages"]}
    nodes = {node["id"]: node for node in told["resolve"]["nodes"]}
    start, = (identity for identity, package in packages.items() if package["name"] == NAME)
    linked, needed = reached(start, packages, nodes, {None}), reached(start, packages, nodes, {None, "build"})
    locked = {(package["name"], package["version"]): package for package in tomllib.loads((root / "Cargo.lock").read_text())["package"]}
    order = sorted(needed - {start}, key=lambda identity: purl(packages[identity]))
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        # Of what is in it: another lock file, another number.
        "serialNumber": uuid.uuid5(uuid.NAMESPACE_URL, (root / "Cargo.lock").read_text()).urn,
        "version": 1,
        "metadata": {"component": component(packages[start], None, "required") | {"type": "application"}},
        "components": [component(packages[each], locked, "required" if each in linked else "excluded") for each in order],
        "dependencies": [{"ref": purl(packages[each]), "dependsOn": sorted({purl(packages[other]) for other in edges(nodes[each], needed)})}
                         for each in [start, *order]],
    }


def reached(start, packages, nodes, kinds):
    """Everything that dependencies of these kinds lead to; of what is linked alone, what is behind a macro is no part."""
    found, open_ones = {start}, [start]
    while open_ones:
        for dependency in nodes[open_ones.pop()]["deps"]:
            other = dependency["pkg"]
            is_macro = any("proc-macro" in target["kind"] for target in packages[other]["targets"])
            if other in found or (is_macro and "build" not in kinds):
                continue
            if kinds & {kind["kind"] for kind in dependency["dep_kinds"]}:
                found.add(other)
                open_ones.append(other)
    return found


def edges(node, needed):
    """What a package uses, tests left out."""
    return [each["pkg"] for each in node["deps"] if each["pkg"] in needed and {kind["kind"] for kind in each["dep_kinds"]} & {None, "build"}]


def purl(package):
    """The name that databases of known holes know it by."""
    return f"pkg:cargo/{package['name']}@{package['version'].replace('+', '%2B')}"


def component(package, locked, scope):
    """One crate, with the checksum that cargo holds it to."""
    said = {"type": "library", "bom-ref": purl(package), "name": package["name"], "version": package["version"], "scope": scope,
            # An older way to write "or".
            "licenses": [{"expression": package["license"].replace(" / ", "/").replace("/", " OR ")}], "purl": purl(package)}
    if locked:
        said["hashes"] = [{"alg": "SHA-256", "content": locked[package["name"], package["version"]]["checksum"]}]
    return said


def problems(root, file):
    """Whether it is CycloneDX, who is in it and who is not, and whether it comes out the same again."""
    bill = json.loads(file.read_text())
    environment = {"PYTHONPATH": "", "PATH": os.environ["PATH"]}
    yield from tools.judge(file.name, [tools.cyclonedx(), "-c", VALIDATE, file], env=environment)
    scopes = {each["name"]: each["scope"] for each in bill["components"]}
    yield from (f"{file.name}: {name} is in it, which is no part of the program" for name in ABSENT if name in scopes)
    yield from (f"{file.name}: {name} is not in it as linked" for name in LINKED if scopes.get(name) != "required")
    if made(root) != bill:
        yield f"{file.name}: made again it is another one"


# Run by an interpreter that has the reference library, in which the schema is.
VALIDATE = """
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read())
sys.exit(f"it is no CycloneDX: {fault}" if fault else 0)
"""
