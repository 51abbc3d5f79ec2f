"""A scrape in Prometheus' text format, and whether what a query asks for is in it."""

import re
from dataclasses import dataclass

SERIES = re.compile(r"(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>.*)\})? [^ ]+$")
PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
OURS = "user_purge_sync_"
SELECTOR = re.compile(r"\b(?P<name>(?:user_purge_sync|process)[_:][\w:]+)\s*(?:\{(?P<matchers>[^}]*)\})?")
MATCHER = re.compile(r'(\w+)\s*(=~|!~|!=|=)\s*"([^"]*)"')
GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
# Nobody's metric has these: Prometheus and its operator add them, and kube-state-metrics tells of CronJobs. `le` is a histogram's own, and is in the scrape.
ADDED = {"job", "instance", "namespace", "pod", "cronjob"}


@dataclass(frozen=True)
class Series:
    """One line, without its value."""

    name: str
    labels: dict

    def line(self, **more):
        """As it would be written with these labels as well."""
        return self.name + "{" + ",".join(f'{name}="{value}"' for name, value in {**self.labels, **more}.items()) + "}"


def read(path):
    """All series."""
    found = []
    for line in path.read_text().splitlines():
        if line and not line.startswith("#"):
            match = SERIES.match(line)
            if not match:
                raise OSError(f"{path}: not a series: {line!r}")
            found.append(Series(match["name"], dict(PAIR.findall(match["labels"] or ""))))
    return found


def unknown(seen, reference):
    """Names of ours that the reference does not have, as after a rename."""
    told = {re.sub(r"_(bucket|sum|count)$", "", series.name) if "seconds" in series.name else series.name for series in seen}
    return sorted(name for name in told if name.startswith(OURS) and f"`{name}`" not in reference)


def names(expression):
    """The metrics that it asks for."""
    return {selector["name"] for selector in SELECTOR.finditer(expression)}


def problems(expression, seen, recorded=None):
    """What a query asks for that no worker says. `recorded`: names that rules make, and of what."""
    labels = {name for series in seen for name in series.labels} | ADDED
    for group in GROUPING.findall(expression):
        for name in re.findall(r"\w+", group):
            if name not in labels:
                yield f"no series has a label {name}"
    for selector in SELECTOR.finditer(expression):
        sources = (recorded or {}).get(selector["name"], {selector["name"]})
        yield from _missing(selector["name"], selector["matchers"] or "", [each for each in seen if each.name in sources])


def _missing(name, matchers, series):
    if not series:
        yield f"no series {name}"
        return
    for label, operator, value in MATCHER.findall(matchers):
        if label in ADDED:
            continue
        if not any(label in each.labels for each in series):
            yield f"{name} has no label {label}"
            continue
        # Each alternative for itself: one that nothing matches is a typing error that the others hide.
        for alternative in value.split("|"):
            if not any(re.fullmatch(alternative, each.labels.get(label, "")) for each in series):
                yield f'{name}{{{label}{operator}"{value}"}}: no {label} is {alternative}'
