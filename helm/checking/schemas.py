"""The schemas of Kubernetes and of custom resources, both strict: a key that is not known is an error, as is each other fault."""

import json
import pathlib

import kubernetes_validate
import yaml
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

FOLDER = pathlib.Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"


class Schemas:
    """Of one version of Kubernetes."""

    def __init__(self, version, crds):
        self.folder = FOLDER / f"v{version}.0-local-strict"
        definitions = Resource.from_contents(json.loads((self.folder / "_definitions.json").read_text()))
        self.registry = definitions @ Registry()
        self.custom = dict(entry for file in crds for entry in custom_schemas(file))
        self.validators = {}

    def faults(self, resource):
        """Every fault of the resource, each with its place."""
        validator = self.validator(resource["apiVersion"], resource["kind"])
        if validator is None:
            return [f"{resource['apiVersion']} {resource['kind']} does not exist"]
        return [f"{error.json_path}: {error.message[:300]}" for error in validator.iter_errors(resource)]

    def validator(self, api_version, kind):
        known = (api_version, kind)
        if known not in self.validators:
            schema = self.custom.get(known) or self.builtin(api_version, kind)
            self.validators[known] = schema and Draft202012Validator(schema, registry=self.registry)
        return self.validators[known]

    def builtin(self, api_version, kind):
        group, _, version = api_version.rpartition("/")
        name = "-".join(filter(None, [kind.lower(), group.split(".")[0], version]))
        file = self.folder / f"{name}.json"
        return json.loads(file.read_text()) if file.exists() else None


def custom_schemas(file):
    crd = yaml.safe_load(file.read_text())
    group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
    for version in crd["spec"]["versions"]:
        yield (f"{group}/{version['name']}", kind), strict(version["schema"]["openAPIV3Schema"])


def strict(schema):
    """OpenAPI as JSON schema: objects whose keys are listed have no others, and what may be null says so."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: strict(part) for key, part in schema.items()}
    if "properties" in schema and "additionalProperties" not in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        if {"apiVersion", "kind", "metadata"} <= schema["properties"].keys():
            schema["properties"]["metadata"] = {"type": "object"}
        schema["additionalProperties"] = False
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("anyOf", None)
        schema["type"] = ["integer", "string"]
    return schema
