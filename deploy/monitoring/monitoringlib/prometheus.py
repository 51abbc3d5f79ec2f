"""A Prometheus of our own: scrapes one worker every second, and is asked for what Grafana would ask."""

import json
import math
import subprocess
import time
import urllib.parse
import urllib.request

from . import promtool

# Of the name that Kubernetes would give: the labels by which the dashboard chooses.
LABELS = 'namespace: "sunbird"'
CONFIG = """\
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: user-purge-sync
    static_configs: [{{targets: ["{worker}"], labels: {{{labels}}}}}]
"""
PATIENCE = 30


class Prometheus:
    """Ended when it is left."""

    def __init__(self, folder, address, worker, say):
        self.folder, self.address = folder, address
        file = folder / "prometheus.yml"
        file.write_text(CONFIG.format(worker=worker, labels=LABELS))
        self.command = [promtool.find(say, "prometheus"), f"--config.file={file}", f"--storage.tsdb.path={folder / 'data'}",
                        f"--web.listen-address={address}"]

    def __enter__(self):
        with open(self.folder / "prometheus.log", "wb") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, cwd=self.folder)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5).close()
                return self
            except OSError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(0.2)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(timeout=60)

    def range(self, expression, start, end, step):
        """Series as (labels, [(time, value)]), gaps left out."""
        found = self._ask("query_range", query=expression, start=start, end=end, step=step)
        return [(series["metric"], _numbers(series["values"])) for series in found]

    def instant(self, expression, at):
        """Series as (labels, value)."""
        return [(series["metric"], float(series["value"][1])) for series in self._ask("query", query=expression, time=at)]

    def _ask(self, what, **words):
        with urllib.request.urlopen(f"http://{self.address}/api/v1/{what}?{urllib.parse.urlencode(words)}", timeout=30) as answer:
            return json.load(answer)["data"]["result"]


def _numbers(values):
    return [(at, number) for at, text in values if math.isfinite(number := float(text))]
