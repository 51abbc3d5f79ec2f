"""What the cluster is made of, built or fetched once into helm/.cache: pinned like the tools of `helm/check`.

Kubernetes' own repository cannot be built as a dependency, because its go.mod points to folders beside it. The same go.mod with
those pointed to the modules under which the folders are published can.
"""

import json
import pathlib
import re
import shutil
import subprocess

from checking import tools
from stacklib import packages
from stacklib.artifacts import Cache

VERSION = "1.37.2"
KUBERNETES = f"k8s.io/kubernetes@v{VERSION}"
PROGRAMS = ["kube-apiserver", "kube-controller-manager", "kube-scheduler"]


def all_of_them():
    """The folder of each program's file, by its name."""
    return {
        **{name: kubernetes() / name for name in PROGRAMS},
        "etcd": packages.program(Cache(tools.CACHE, tools.told), "etcd", "etcd-server"),
    }


def kubernetes():
    """The folder of its programs; builds them all at once, since most of what they are made of is the same."""
    folder = tools.stamp(KUBERNETES)
    if all((folder / name).exists() for name in PROGRAMS):
        return folder
    tools.say(f"building {', '.join(PROGRAMS)} {VERSION}: five minutes on two cores, the first time")
    folder.mkdir(parents=True, exist_ok=True)
    go = tools.go()
    downloaded = subprocess.run(["go", "mod", "download", "-json", KUBERNETES], env=go, stdout=subprocess.PIPE, cwd="/", check=True)
    source = pathlib.Path(json.loads(downloaded.stdout)["Dir"])
    (folder / "go.mod").write_text(published((source / "go.mod").read_text()))
    shutil.copyfile(source / "go.sum", folder / "go.sum")
    # Without its name it would say v0.0.0, which is older than every chart allows.
    major, minor, _ = VERSION.split(".")
    facts = {"gitVersion": f"v{VERSION}", "gitMajor": major, "gitMinor": minor}
    flags = " ".join(f"-X k8s.io/component-base/version.{name}={value}" for name, value in facts.items())
    command = ["go", "build", "-mod=mod", "-trimpath", "-ldflags", f"-s -w {flags}", "-o", f"{folder}/"]
    subprocess.run([*command, *(f"k8s.io/kubernetes/cmd/{name}" for name in PROGRAMS)], cwd=folder, env=go, check=True)
    return folder


def published(go_mod):
    """Kubernetes' go.mod as that of a module which needs Kubernetes."""
    minor = VERSION.removeprefix("1.")
    text = re.sub(r"^module .*$", "module user-purge-sync/cluster", go_mod, flags=re.MULTILINE)
    text = re.sub(r"(k8s\.io/\S+) => \./staging/src/\S+", rf"\1 => \1 v0.{minor}", text)
    return text + f"\nrequire k8s.io/kubernetes v{VERSION}\n"
