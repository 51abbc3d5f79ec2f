// The last hour, newest at the right, in columns of ten seconds; and the bar of the budget.

const WIDE = 1000, HIGH = 160, SLICES = 360;

/** A round number not below the highest column. */
function roundAbove(highest) {
  const step = 10 ** Math.floor(Math.log10(Math.max(highest, 10)));
  return [1, 2, 5, 10].map((factor) => factor * step).find((round) => round >= highest);
}

function plot({ statuses, sliceSeconds, slices }) {
  const ceiling = roundAbove(Math.max(...slices.map((slice) => slice.reduce((sum, users) => sum + users, 0))));
  const step = WIDE / SLICES, first = SLICES - slices.length;
  const paths = statuses.map(() => "");
  slices.forEach((slice, index) => {
    let floor = HIGH;
    slice.forEach((users, status) => {
      if (users === 0) return;
      // What is rare is seen all the same: a failure among thousands has a pixel.
      const height = Math.max(users / ceiling * (HIGH - 10), 1.5);
      floor -= height;
      paths[status] += `M${((first + index) * step).toFixed(1)} ${floor.toFixed(1)}h${(step * .85).toFixed(1)}v${height.toFixed(1)}h-${(step * .85).toFixed(1)}z`;
    });
  });
  const label = (x, y, text, kind) => {
    const element = drawn("text", { x, y, class: kind });
    element.textContent = text;
    return element;
  };
  document.getElementById("plot").replaceChildren(
    drawn("line", { x1: 0, x2: WIDE, y1: HIGH, y2: HIGH }),
    drawn("line", { x1: 0, x2: WIDE, y1: 10, y2: 10 }),
    ...statuses.map((status, index) => drawn("path", { class: status.toLowerCase(), d: paths[index] })),
    label(0, 24, `${rate(ceiling / sliceSeconds)} users a second`, ""),
    label(0, HIGH + 18, "an hour ago", ""),
    label(WIDE / 2, HIGH + 18, "30 min", "end"),
    label(WIDE, HIGH + 18, "now", "end"),
  );
  legend("legend", statuses.map((status, index) => {
    const sum = slices.reduce((sum, slice) => sum + slice[index], 0);
    return [status.toLowerCase(), `${status} ${count(sum)}`];
  }));
}

function legend(id, entries) {
  document.getElementById(id).replaceChildren(...entries.map(([kind, text]) => {
    const entry = document.createElement("span"), mark = drawn("svg", { viewBox: "0 0 1 1" });
    mark.append(drawn("rect", { class: kind, width: 1, height: 1 }));
    entry.append(mark, text);
    return entry;
  }));
}

function bar({ limit, fresh, other }) {
  const wide = (units) => limit === 0 ? 0 : units / limit * 400;
  document.getElementById("budget").replaceChildren(
    drawn("rect", { class: "all", width: 400, height: 26 }),
    drawn("rect", { class: "fresh", width: wide(fresh), height: 26 }),
    drawn("rect", { class: "other", x: wide(fresh), width: wide(other), height: 26 }),
  );
  legend("units", [
    ["fresh", `fresh ${count(fresh)}`], ["other", `other ${count(other)}`],
    ["all", `left ${count(limit - fresh - other)} of ${count(limit)}`],
  ]);
}
