"""The Grafana dashboard: its queries, and what else in it can be wrong without anybody seeing it before an incident."""

import json
import re
from dataclasses import dataclass, field

from . import scrape

# What Grafana puts in when it asks.
VARIABLES = {"$__rate_interval": "5m", "$__range": "1h", "$__interval": "1m"}


@dataclass(frozen=True)
class Query:
    """One of a panel."""

    panel: str
    expression: str
    legend: str
    variables: tuple
    # What Grafana puts in.
    times: dict = field(default_factory=lambda: VARIABLES)

    @property
    def plain(self):
        """Without Grafana's variables."""
        text = self.expression
        for name, value in self.times.items():
            text = text.replace(name, value)
        return re.sub("|".join(rf"\${name}\b" for name in self.variables) or "$^", ".*", text)


@dataclass(frozen=True)
class Board:
    """The panels, rows apart."""

    panels: list
    queries: list


def read(path):
    """All panels, those in collapsed rows too."""
    whole = json.loads(path.read_text())
    variables = tuple(each["name"] for each in whole["templating"]["list"])
    panels = [inner for outer in whole["panels"] for inner in (outer, *outer.get("panels", [])) if inner["type"] != "row"]
    queries = [
        Query(panel["title"], target["expr"], target.get("legendFormat", ""), variables)
        for panel in panels for target in panel.get("targets", [])
    ]
    return Board(panels, queries)


def problems(board, seen):
    """What is asked for and not said; panels that lie over each other, or say nothing of what they are."""
    labels = {name for series in seen for name in series.labels} | scrape.ADDED
    for query in board.queries:
        found = [*scrape.problems(query.plain, seen)]
        found += [f"no series has a label {name}" for name in re.findall(r"\{\{\s*(\w+)\s*\}\}", query.legend) if name not in labels]
        found += [f"${name} is no variable" for name in re.findall(r"\$(\w+)", query.plain)]
        yield from (f"dashboard.json: {query.panel}: {problem}" for problem in found)
    ids = [panel["id"] for panel in board.panels]
    for panel in board.panels:
        if ids.count(panel["id"]) > 1:
            yield f"dashboard.json: {panel['title']}: another panel has id {panel['id']}"
        if not panel.get("description"):
            yield f"dashboard.json: {panel['title']}: no description"
        if not panel.get("targets"):
            yield f"dashboard.json: {panel['title']}: asks nothing"
        overlaid = [other["title"] for other in board.panels if other is not panel and _overlap(panel["gridPos"], other["gridPos"])]
        yield from (f"dashboard.json: {panel['title']} lies over {title}" for title in overlaid)


def _overlap(one, other):
    return (one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
            and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"])
