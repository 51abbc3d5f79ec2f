"""Draws the dashboard's panels where Grafana would put them: by their own types, units, colours and names."""

import html
import re

COLUMN, ROW, GAP = 50, 30, 8
PALETTE = ("#73bf69", "#f2cc0c", "#8ab8ff", "#ff780a", "#f2495c", "#5794f2", "#b877d9", "#705da0", "#37872d", "#fade2a")
NAMED = {"green": "#73bf69", "orange": "#ff9830", "red": "#f2495c", "blue": "#5794f2", "purple": "#b877d9", "text": "#ccccdc"}
STYLE = """
body { margin: 0; background: #111217; color: #ccccdc; font: 12px/1.3 Inter, Roboto, "DejaVu Sans", sans-serif; }
div.board { position: relative; width: 1200px; }
div.panel { position: absolute; box-sizing: border-box; background: #181b1f; border: 1px solid #25272c; border-radius: 2px; }
div.panel h2 { font-size: 12px; font-weight: 500; margin: 6px 8px 0; white-space: nowrap; overflow: hidden; }
div.row { position: absolute; font-size: 14px; font-weight: 500; padding: 4px 8px; }
svg { position: absolute; left: 0; top: 0; }
text { fill: #9fa7b3; font-size: 10px; }
"""


def page(board, answers):
    """The whole as HTML, and its height in pixels. `answers`: by panel id, the series of its queries as (name, points)."""
    drawn = [_row(panel) if panel["type"] == "row" else _panel(panel, answers[panel["id"]]) for panel in board]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in board) * ROW + GAP
    body = f'<div class="board" style="height:{height}px">{"".join(drawn)}</div>'
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{body}', height


def name_of(labels, legend):
    """As Grafana names a series."""
    if legend in ("", "__auto"):
        return " ".join(value for key, value in labels.items() if key != "__name__")
    return re.sub(r"\{\{\s*(\w+)\s*\}\}", lambda match: labels.get(match[1], ""), legend)


def _place(panel):
    grid = panel["gridPos"]
    left, top, width, height = grid["x"] * COLUMN, grid["y"] * ROW, grid["w"] * COLUMN - GAP, grid["h"] * ROW - GAP
    return f"left:{left + GAP}px;top:{top + GAP}px;width:{width}px;height:{height}px", width, height


def _row(panel):
    return f'<div class="row" style="{_place(panel)[0]}">▾ {html.escape(panel["title"])}</div>'


def _panel(panel, series):
    style, width, height = _place(panel)
    draw = {"stat": _stat, "timeseries": _lines, "state-timeline": _states, "bargauge": _bars}[panel["type"]]
    inner = draw(panel, series, width, height) if series else _text(width / 2, height / 2, "nothing", "middle")
    return (f'<div class="panel" style="{style}"><h2>{html.escape(panel["title"])}</h2>'
            f'<svg width="{width}" height="{height}">{inner}</svg></div>')


def _stat(panel, series, width, height):
    value = series[0][1][-1][1]
    text, colour = _mapped(panel, value)
    size = min(30, height // 2)
    return f'<text x="{width / 2}" y="{height / 2 + size / 2}" text-anchor="middle" style="font-size:{size}px;fill:{colour}">{text}</text>'


def _lines(panel, series, width, height):
    defaults = panel["fieldConfig"]["defaults"]
    if defaults.get("custom", {}).get("stacking", {}).get("mode") == "normal":
        series = _stacked(series)
    first, last = _reach(series)
    top = max((value for _, points in series for _, value in points), default=0) or 1
    left, right, above, below = 46, width - 8, 30, height - 40
    across, up = (right - left) / max(last - first, 1), (below - above) / (top * 1.05)
    parts = [_scale(defaults.get("unit"), top, left, right, below, up), _times(first, last, left, across, below)]
    for index, (name, points) in enumerate(series):
        path = " ".join(f"{left + (at - first) * across:.1f},{below - value * up:.1f}" for at, value in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke-width="1.4" stroke="{_colour(panel, name, index)}"/>')
    return "".join(parts) + _legend(panel, series, width, height)


def _states(panel, series, width, height):
    left, tall = 60, (height - 60) / len(series)
    first, last = _reach(series)
    across = (width - 8 - left) / max(last - first, 1)
    parts = [_times(first, last, left, across, height - 30)]
    for index, (name, points) in enumerate(series):
        y = 30 + index * tall
        parts.append(_text(left - 6, y + tall / 2, name, "end"))
        for (at, value), (until, _) in zip(points, points[1:]):
            parts.append(f'<rect x="{left + (at - first) * across:.1f}" y="{y:.1f}" width="{(until - at) * across + 0.6:.1f}" '
                         f'height="{tall - 4:.1f}" fill="{_mapped(panel, value)[1]}"/>')
    return "".join(parts)


def _bars(panel, series, width, height):
    tall = (height - 34) / len(series)
    most, left = max(points[-1][1] for _, points in series) or 1, 190
    parts = []
    for index, (name, points) in enumerate(series):
        y, value = 28 + index * tall, points[-1][1]
        parts.append(_text(left - 6, y + tall / 2 + 3, name, "end"))
        parts.append(f'<rect x="{left}" y="{y:.1f}" width="{value / most * (width - left - 60):.1f}" height="{max(tall - 3, 2):.1f}" fill="#5794f2"/>')
        parts.append(_text(left + 4 + value / most * (width - left - 60), y + tall / 2 + 3, _told("short", value)))
    return "".join(parts)


def _reach(series):
    """The first and the last time of any of them."""
    return min(points[0][0] for _, points in series), max(points[-1][0] for _, points in series)


def _stacked(series):
    """Each above those before it."""
    below, stacked = {}, []
    for name, points in series:
        points = [(at, value + below.get(at, 0)) for at, value in points]
        below.update(points)
        stacked.append((name, points))
    return stacked


def _scale(unit, top, left, right, below, up):
    parts = []
    for share in (0, 0.5, 1):
        y = below - top * share * up
        parts.append(f'<line x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}" stroke="#2c2f35"/>' + _text(left - 4, y + 3, _told(unit, top * share), "end"))
    return "".join(parts)


def _times(first, last, left, across, below):
    """Seconds since the beginning: the hour of a recording says nothing."""
    minutes = int(last - first) // 60
    marks = range(0, minutes * 60 + 1, 60 * max(1, round(minutes / 5)))
    return "".join(_text(left + at * across, below + 12, f"{at // 60} min", "middle") for at in marks)


def _legend(panel, series, width, height):
    x, y, parts = 10, height - 12, []
    for index, (name, _) in enumerate(series):
        long = 20 + 6 * len(name)
        if x + long > width:
            # Grafana scrolls; a picture cannot.
            return "".join(parts) + _text(x, y, "…")
        parts.append(f'<rect x="{x}" y="{y - 4}" width="9" height="3" fill="{_colour(panel, name, index)}"/>' + _text(x + 12, y, name))
        x += long
    return "".join(parts)


def _colour(panel, name, index):
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == name:
            return NAMED[override["properties"][0]["value"]["fixedColor"]]
    return PALETTE[index % len(PALETTE)]


def _mapped(panel, value):
    """The text and the colour of a value."""
    defaults = panel["fieldConfig"]["defaults"]
    for mapping in defaults.get("mappings") or []:
        found = mapping["options"].get(f"{value:.0f}")
        if found:
            return found["text"], NAMED[found["color"]]
    steps = [step for step in defaults["thresholds"]["steps"] if step["value"] is None or value >= step["value"]]
    return _told(defaults.get("unit"), value), NAMED[steps[-1]["color"]]


def _told(unit, value):
    if unit == "bytes":
        return f"{value / (1 << 20):.0f} MiB"
    if unit == "s" and 0 < value < 1:
        return f"{value * 1000:.0f} ms"
    number = f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}" if value >= 1 else f"{value:.2f}"
    return number + {"s": " s", "ops": "/s"}.get(unit, "")


def _text(x, y, text, anchor="start"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{html.escape(str(text))}</text>'
