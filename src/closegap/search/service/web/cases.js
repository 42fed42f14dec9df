// A case, or two side by side, in a dialog.

import { caseOf } from "./api.js";
import { byId, make, plural } from "./dom.js";
import { content, entries } from "./items.js";

// Show cases; resolves once they are there.
export async function showCases(ids, view, act) {
  const dialog = byId("cases");
  byId("cases-title").textContent = ids.length > 1 ? "Two cases side by side" : "A case";
  const body = byId("cases-body");
  body.className = `cases of-${ids.length}`;
  body.replaceChildren(...ids.map((id) => make("section", { "aria-label": `Case ${id}` }, make("h3", {}, id), make("p", { class: "absent" }, "Loading…"))));
  if (!dialog.open) dialog.showModal();
  const found = await Promise.allSettled(ids.map(caseOf));
  const cases = found.map((one) => one.status === "fulfilled" ? one.value : null);
  const alike = shared(cases);
  body.replaceChildren(...ids.map((id, at) => cases[at]
    ? column(id, cases[at].items, view, act, alike, cases.length > 1)
    : make("section", { "aria-label": `Case ${id}` }, make("h3", {}, id), make("p", { class: "absent", role: "alert" }, found[at].reason.message))));
  byId("cases-note").textContent = cases.length > 1 && cases.every(Boolean) ? note(cases, alike) : "";
}

const valuesOf = (held) => held.items.flatMap((item) => item.text ? entries(item).map(([, value]) => value) : []);

// Values that both cases have.
function shared(cases) {
  if (cases.length < 2 || !cases.every(Boolean)) return new Set();
  const [first, second] = cases.map((held) => new Set(valuesOf(held)));
  return new Set([...first].filter((value) => second.has(value)));
}

function note(cases, alike) {
  const [a, b] = cases.map(known);
  const names = [...new Set([...Object.keys(a), ...Object.keys(b)])];
  const differ = names.filter((name) => a[name] !== b[name]);
  const same = alike.size ? `${plural(alike.size, "value")} of their tables in common, marked. ` : "";
  return `${same}${differ.length ? `They differ in ${differ.join(", ")}.` : "Nothing else that is known of them differs."}`;
}

// What is known of a case beside its items, as text.
function known(held) {
  const payload = Object.assign({}, ...held.items.map((item) => item.payload ?? {}));
  return Object.fromEntries(Object.entries(payload).filter(([, value]) => !Array.isArray(value) && value !== "" && value !== null)
    .map(([name, value]) => [name, String(value)]));
}

function column(id, items, view, act, alike, two) {
  const shown = items.map((item) => {
    const at = view.archive.modalities.findIndex(({ name }) => name === item.modality);
    return make("div", { class: "item" },
      make("h4", {}, make("i", { class: `dot series-${at}` }), item.modality),
      content(item, view.archive.modalities[at], view.words, two ? alike : view.codes),
      make("button", { type: "button", class: "quiet", click: () => act.more(item), "aria-label": `More like ${item.modality} of case ${id}` }, "More like this"));
  });
  const rows = Object.entries(known({ items }));
  return make("section", { "aria-label": `Case ${id}` }, make("h3", {}, id), shown,
    rows.length ? make("div", { class: "item" }, make("h4", {}, "Known of it"),
      make("table", { class: "record" }, make("tbody", {}, rows.map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value)))))) : null);
}
