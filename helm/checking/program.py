"""Asks the program itself whether it takes what the chart writes. Only where USER_PURGE_SYNC says where it is."""

import os
import pathlib
import subprocess
import tempfile

PATH = os.environ.get("USER_PURGE_SYNC")


def check(report, name, resources):
    """The file with every key in it, each Secret for the key that the values say, and the arguments of each container."""
    if not PATH:
        return
    for resource in resources:
        spec = resource.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            container, = template["spec"]["containers"]
            report.that(f"{name}, {resource['kind']} {resource['metadata']['name']}, the program", refused_arguments(container["args"]))
    config, = (one for one in resources if one["kind"] == "ConfigMap" and not one["metadata"]["name"].endswith("-check"))
    deployment, = (one for one in resources if one["kind"] == "Deployment")
    container, = deployment["spec"]["template"]["spec"]["containers"]
    variables = {variable["name"]: "secret" for variable in container.get("env", []) if "valueFrom" in variable}
    report.that(f"{name}, the program", refused_settings(config["data"]["config.toml"], variables))


def refused_arguments(arguments):
    """Asked with --help, the program reads what stands before it, and does nothing."""
    told = subprocess.run([PATH, *arguments, "--help"], env={}, capture_output=True, text=True)
    return [f"{' '.join(arguments)}: {told.stderr.strip()}"] if told.returncode else []


def refused_settings(config, variables):
    told = ask(config, variables)
    if told.returncode:
        return [told.stderr.strip()]
    keys = sum(" = " in line for line in config.splitlines() if not line.startswith("#"))
    read = told.stdout.count("config.toml\n")
    faults = [] if read == keys else [f"of {keys} keys in the file {read} are read"]
    return faults + [f"{name} is not taken for a key" for name in variables if f"# from {name}\n" not in told.stdout]


def check_choices(report, choices):
    """Each word of the schema's closed lists is one of the program's."""
    for path, words in choices.items() if PATH else ():
        section, _, key = path.rpartition(".")
        for word in words:
            told = ask(f'[{section}]\n{key} = "{word}"\n', {})
            report.that(f"{path} = {word}, the program", [told.stderr.strip()] if told.returncode else [])


def ask(config, variables):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "config.toml"
        file.write_text(config)
        return subprocess.run([PATH, "config", "--config", file], env=variables, capture_output=True, text=True)
