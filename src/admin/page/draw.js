// Elements and numbers. Text is only ever set as text: reasons come from dependencies, and none of them is markup.

const SVG = "http://www.w3.org/2000/svg";

function drawn(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

function cell(text, kind, state) {
  const element = document.createElement("td");
  element.textContent = text;
  if (kind) element.className = kind;
  if (state) element.dataset.state = state;
  return element;
}

/** Rows of cells into a table's body; a line for none of them. */
function fill(id, rows, none) {
  const body = document.querySelector(`#${id} tbody`);
  const lines = rows.map((cells) => {
    const line = document.createElement("tr");
    line.append(...cells);
    return line;
  });
  if (lines.length === 0) {
    const only = cell(none, "none");
    only.colSpan = 9;
    const line = document.createElement("tr");
    line.append(only);
    lines.push(line);
  }
  body.replaceChildren(...lines);
}

function count(number) {
  return number.toLocaleString("en");
}

function rate(perSecond) {
  if (perSecond === undefined) return "–";
  return perSecond > 0 && perSecond < 9.95 ? perSecond.toFixed(1) : count(Math.round(perSecond));
}

/** Seconds for people. */
function time(seconds) {
  if (seconds === 0) return "0 s";
  if (seconds < 1) return `${Math.max(1, Math.round(seconds * 1000))} ms`;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

/** The texts of a box of the pipeline below its name. */
function tell(id, lines, state) {
  const box = document.getElementById(id);
  const texts = [...box.querySelectorAll("text")].slice(1);
  lines.forEach((line, index) => { texts[index].textContent = line; });
  box.dataset.state = state ?? "closed";
}
