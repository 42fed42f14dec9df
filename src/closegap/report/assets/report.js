"use strict";
// Draws the page's figures from the JSON beside them, and redraws them when a control or the theme changes.

const root = document.documentElement;
const sections = [...document.querySelectorAll("section")].map((element) => ({
  element,
  figures: [...element.querySelectorAll(".plot")],
  ...JSON.parse(element.querySelector(".payload").textContent),
}));

const shown = (when, state) => Object.entries(when ?? {}).every(([control, option]) => state[control] === option);

// Elements by the places that theirs say they have under the current options.
function sorted(elements, state) {
  const place = (element) => JSON.parse(element.dataset.places).find(([when]) => shown(when, state))[1];
  const places = new Map([...elements].map((element) => [element, place(element)]));
  return [...elements].sort((a, b) => places.get(a) - places.get(b));
}

function themed({ $color, alpha }) {
  const hex = getComputedStyle(root).getPropertyValue(`--${$color}`).trim();
  return alpha === 1 ? hex : hex + Math.round(255 * alpha).toString(16).padStart(2, "0");
}

function resolved(value, shared) {
  if (Array.isArray(value)) return value.map((inner) => resolved(inner, shared));
  if (value === null || typeof value !== "object") return value;
  if ("$color" in value) return themed(value);
  if ("$data" in value) {
    const array = shared[value.$data];
    return "$rows" in value ? shared[value.$rows].map((row) => array[row]) : array;
  }
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolved(inner, shared)]));
}

function merged(base, patch) {
  if (base === null || patch === null || typeof base !== "object" || typeof patch !== "object") return patch;
  if (Array.isArray(patch)) return patch;
  const result = { ...base };
  for (const [key, value] of Object.entries(patch)) result[key] = key in base ? merged(base[key], value) : value;
  return result;
}

function pageLayout() {
  const axis = {
    gridcolor: { $color: "grid", alpha: 1 }, zerolinecolor: { $color: "grid", alpha: 1 },
    linecolor: { $color: "grid", alpha: 1 }, automargin: true, title: { standoff: 8 }, fixedrange: true,
  };
  return {
    autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false,
    font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: { $color: "muted", alpha: 1 } },
    margin: { l: 8, r: 8, t: 36, b: 8 }, xaxis: axis, yaxis: axis,
    title: { x: 0, xref: "container", y: 1, yref: "container", yanchor: "top", pad: { t: 6, l: 4 },
      font: { size: 14, color: { $color: "text", alpha: 1 } } },
    legend: { orientation: "h", x: 0, y: 0, yref: "container", yanchor: "bottom", font: { size: 12 } },
    hoverlabel: { align: "left", bgcolor: { $color: "surface", alpha: 1 }, bordercolor: { $color: "grid", alpha: 1 },
      font: { size: 12, color: { $color: "text", alpha: 1 } } },
  };
}

function draw(section) {
  const { state, shared } = section;
  for (const element of section.element.querySelectorAll("[data-when]"))
    element.hidden = !shown(JSON.parse(element.dataset.when), state);
  for (const list of section.element.querySelectorAll("[data-sorted]")) list.append(...sorted(list.children, state));
  section.plots.forEach((plot, i) => {
    const layout = plot.layouts.filter(([when]) => shown(when, state))
      .reduce((base, [, patch]) => merged(base, patch), merged(pageLayout(), plot.layout));
    const traces = plot.traces.filter((trace) => shown(trace.when, state)).map(({ when, ...trace }) => trace);
    Plotly.react(section.figures[i], resolved(traces, shared), resolved(layout, shared), { displayModeBar: false });
  });
}

function readControls(section) {
  for (const control of section.element.querySelectorAll("[data-control]"))
    if (control.type !== "radio" || control.checked) section.state[control.dataset.control] = control.value;
}

function currentTheme() {
  return root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
}

document.getElementById("theme").addEventListener("click", () => {
  root.dataset.theme = currentTheme() === "dark" ? "light" : "dark";
  sections.forEach(draw);
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => sections.forEach(draw));

// Also when a figure's box changes without the window: an opened fold, a scroll bar, a phone that is turned.
const resizing = new ResizeObserver((entries) => {
  for (const { target } of entries) if (target.offsetWidth && target.data) Plotly.Plots.resize(target);
});

for (const section of sections) {
  for (const picture of section.element.querySelectorAll("[data-picture]"))
    picture.innerHTML = section.shared.pictures[picture.dataset.picture];
  section.element.addEventListener("change", () => { readControls(section); draw(section); });
  draw(section);
  section.figures.forEach((figure) => resizing.observe(figure));
}
