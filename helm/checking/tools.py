"""What the checks run, fetched once from package registries into helm/.cache: pinned, and built where that is needed."""

import json
import pathlib
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

FOLDER = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(FOLDER.parent / "deploy/local"))

from stacklib import golang  # noqa: E402  (the path has to come first)

HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"
SCHEMAS = "kubernetes-validate==1.37.0"
# Module, and the files of it that the chart's resources are held against.
CRDS = {
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": [
        "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml",
    ],
    "github.com/kedacore/keda/v2@v2.21.0": ["config/crd/bases/keda.sh_scaledobjects.yaml"],
}

# helm/check or helm/cluster.
NAME = f"helm/{pathlib.Path(sys.argv[0]).name}"
CACHE = FOLDER / ".cache"


def stamp(*pins):
    """The folder of exactly these versions: a new pin is a new folder, never a mixture."""
    return CACHE / "-".join(pin.split("/")[-1].replace("==", "-") for pin in pins)


def everything():
    """Fetches and builds what is missing, all at once: pip and the downloads wait for others while helm is compiled."""
    with ThreadPoolExecutor() as pool:
        for made in [pool.submit(part) for part in (helm, python, crds)]:
            made.result()


def python():
    """An interpreter that has the schemas, and what is needed to use them."""
    folder = stamp(SCHEMAS)
    if not (folder / "complete").exists():
        say(f"fetching {SCHEMAS}")
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        pip = [folder / "bin/pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", SCHEMAS]
        subprocess.run(pip, check=True)
        (folder / "complete").touch()
    return folder / "bin/python3"


def helm():
    return built(HELM)


def built(program):
    """The path of a program, built from its module: the proxy's checksums vouch for it."""
    folder, name = stamp(program), program.split("@")[0].split("/")[-1]
    if not (folder / name).exists():
        say(f"building {program}, about two minutes")
        subprocess.run(["go", "install", program], env={**go(), "GOBIN": str(folder)}, check=True)
    return folder / name


def crds():
    """Paths of the custom resource definitions."""
    folder = CACHE / "crds"
    found = []
    for module, files in CRDS.items():
        own = folder / module.replace("/", "_")
        wanted = [own / pathlib.Path(file).name for file in files]
        if not all(file.exists() for file in wanted):
            say(f"fetching {module}")
            told = subprocess.run(["go", "mod", "download", "-json", module], env=go(), stdout=subprocess.PIPE, cwd="/", check=True)
            source = pathlib.Path(json.loads(told.stdout)["Dir"])
            own.mkdir(parents=True, exist_ok=True)
            for file in files:
                shutil.copyfile(source / file, own / pathlib.Path(file).name)
        found += wanted
    return found


def go():
    """The variables with which it is found."""
    return golang.environment(told)


def told(part, text):
    """What the stack's own tools say."""
    say(f"{part}: {text}")


def say(text):
    print(f"{NAME}: {text}", file=sys.stderr, flush=True)
