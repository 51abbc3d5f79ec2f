"""The dashboard against Grafana's own types, from npm: a misspelt key or a wrong value is one that Grafana passes over.

Grafana itself is not needed for it, and is not among the tools here.
"""

import json
import shutil
import subprocess

from stacklib import settings
from stacklib.artifacts import Cache
from stacklib.errors import StackError

PACKAGES = ["@grafana/schema@13.2.3", "typescript@5.9.3"]
# A panel's type and the module of its options.
MODULES = {"stat": "Stat", "timeseries": "TimeSeries", "state-timeline": "StateTimeline", "bargauge": "BarGauge"}
HEAD = """\
import type { AnnotationQuery, Dashboard, DataQuery } from "@grafana/schema";
// Enums stand in JSON as their values.
type Json<T> = 0 extends 1 & T ? T : T extends string ? `${T}` : T extends (infer U)[] ? Json<U>[]
    : T extends object ? { [K in keyof T]: Json<T[K]> } : T;
// What an annotation asks is the data source's own.
type Asked = AnnotationQuery<DataQuery & { expr: string }>;
type Board = Omit<Dashboard, "annotations"> & { annotations: { list: Asked[] } };
"""


def problems(whole, say):
    """What tsc says."""
    if not shutil.which("npm"):
        raise StackError("npm is missing: the dashboard's types are checked with packages from there (Debian: apt-get install npm)")
    modules = Cache(settings.load().cache, say).made(f"dashboard-types-{PACKAGES[0][16:]}", lambda folder: _install(folder, say))
    source = modules / "dashboard.ts"
    source.write_text("\n".join([HEAD, *_lines(whole)]))
    done = subprocess.run([modules / "node_modules" / ".bin" / "tsc", "--noEmit", "--strict", "--skipLibCheck", "--target", "es2022",
                           "--module", "esnext", "--moduleResolution", "bundler", source],
                          cwd=modules, capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [f"dashboard.json: {line}" for line in done.stdout.splitlines()]


def _lines(whole):
    for name in MODULES.values():
        path = f"@grafana/schema/dist/esm/raw/composable/{name.lower()}/panelcfg/x/{name}PanelCfg_types.gen"
        yield f'import type * as {name} from "{path}";'
    yield f"export const board: Json<Board> = {json.dumps(whole, indent=1)};"
    for panel in whole["panels"]:
        if panel["type"] != "row":
            name = MODULES[panel["type"]]
            yield f"// {panel['title']}"
            yield f"export const options{panel['id']}: Json<Partial<{name}.Options>> = {json.dumps(panel['options'])};"
            if "custom" in panel["fieldConfig"]["defaults"]:
                custom = json.dumps(panel["fieldConfig"]["defaults"]["custom"])
                yield f"export const custom{panel['id']}: Json<Partial<{name}.FieldConfig>> = {custom};"


def _install(folder, say):
    say("types", "fetching", *PACKAGES)
    (folder / "package.json").write_text('{"private": true}')
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--save-exact", *PACKAGES],
                          cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise StackError(f"npm cannot fetch {' '.join(PACKAGES)}: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
