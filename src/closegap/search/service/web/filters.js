// Which rows are searched: modalities, labels that are clicked, a condition that is written.

import { byId, make, number, percent } from "./dom.js";

const MOST = 24;  // values of a label that are offered

export class Filters {
  constructor(changed) {
    this.picked = new Map();
    this.changed = changed;
    byId("where").addEventListener("input", () => this.#tell());
    byId("limited").addEventListener("change", () => this.#limit(byId("limited").checked));
  }

  // Offer what the archive has.
  offer(archive) {
    byId("targets").replaceChildren(...archive.modalities.map(({ name, rows }, at) => make("span", { class: "target" },
      make("label", {}, make("input", { type: "checkbox", name: "target", value: name, checked: true, change: () => this.#tell() }),
        make("span", {}, make("i", { class: `dot series-${at}` }), name, make("small", {}, number(rows)))),
      make("input", { type: "number", name: "quota", class: "quota", min: 1, max: 10000, step: 1, "data-modality": name, hidden: true,
        placeholder: "all", "aria-label": `Hits of ${name} at most`, title: `Hits of ${name} at most`, input: () => this.#tell() }))));
    byId("quotas").hidden = archive.modalities.length < 2;
    const labels = Object.entries(archive.labels ?? {}).filter(([label, values]) => /^[A-Za-z_]\w*$/.test(label) && counted(values).length);
    byId("labels").replaceChildren(...labels.map(([label, values]) => this.#label(label, counted(values))));
    byId("keys").textContent = [...new Set(["id", "case", ...(archive.filters ?? [])])].join(", ");
  }

  get request() {
    const boxes = [...document.querySelectorAll("[name=target]")];
    const wanted = boxes.filter((box) => box.checked).map((box) => box.value);
    const { where, quotas } = this;
    return { ...(wanted.length && wanted.length < boxes.length && { in: wanted }), ...(where && { where }),
      ...(Object.keys(quotas).length && { quotas }), k: Number(byId("k").value) };
  }

  // At most so many hits of a modality; nothing of one whose box is empty, and nothing at all unless limits are on.
  get quotas() {
    const boxes = byId("limited").checked ? [...document.querySelectorAll("[name=quota]")].filter((box) => box.value && box.validity.valid) : [];
    return Object.fromEntries(boxes.map((box) => [box.dataset.modality, Number(box.value)]));
  }

  // The condition: labels that are clicked, and what is written.
  get where() {
    const picked = [...this.picked].filter(([, values]) => values.size).map(([label, values]) =>
      values.size === 1 ? `${label} == ${literal([...values][0])}` : `${label} in (${[...values].map(literal).join(", ")})`);
    const written = byId("where").value.trim();
    return [...picked, ...(written ? [picked.length ? `(${written})` : written] : [])].join(" and ");
  }

  restore(query) {
    this.picked.clear();
    for (const pressed of document.querySelectorAll("#labels [aria-pressed=true]")) pressed.setAttribute("aria-pressed", "false");
    byId("where").value = query.where ?? "";
    const wanted = query.in ?? [];
    for (const box of document.querySelectorAll("[name=target]")) box.checked = !wanted.length || wanted.includes(box.value);
    const k = String(query.k ?? 10);
    if (![...byId("k").options].some((option) => option.value === k)) byId("k").add(new Option(k));
    byId("k").value = k;
    const quotas = query.quotas ?? {};
    for (const box of document.querySelectorAll("[name=quota]")) box.value = quotas[box.dataset.modality] ?? "";
    this.#limit(Object.keys(quotas).length > 0);
  }

  #limit(on) {
    byId("limited").checked = on;
    for (const box of document.querySelectorAll("[name=quota]")) box.hidden = !on;
    this.#tell();
  }

  #label(label, values) {
    const toggles = values.slice(0, MOST).map(([value, rows]) => make("button", {
      type: "button", class: "tag", "aria-pressed": "false",
      click: (event) => {
        const of = this.picked.get(label) ?? new Set();
        of.has(value) ? of.delete(value) : of.add(value);
        this.picked.set(label, of);
        event.currentTarget.setAttribute("aria-pressed", String(of.has(value)));
        this.#tell();
        this.changed();
      },
    }, String(value), rows === null ? null : make("small", {}, number(rows))));
    const more = values.length > MOST ? make("small", {}, `and ${number(values.length - MOST)} more: write a condition`) : null;
    return make("div", { class: "label", role: "group", "aria-label": label }, make("span", { class: "name" }, label), toggles, more);
  }

  #tell() {
    const boxes = [...document.querySelectorAll("[name=target]")];
    const left = boxes.filter((box) => box.checked).length;
    const said = [this.where, left && left < boxes.length ? `${left} of ${boxes.length} modalities` : "",
      ...Object.entries(this.quotas).map(([name, most]) => `at most ${most} of ${name}`)].filter(Boolean);
    byId("asked").textContent = said.join(" · ");
  }
}

// A value as the syntax of conditions, Python's, writes it.
const literal = (value) => typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value);

const counted = (values) => Array.isArray(values) ? values.map((value) => [value, null]) : Object.entries(values ?? {}).sort((a, b) => b[1] - a[1]);

// Buttons that show and hide the modalities of an answer, with their counts in it.
export function chips(archive, counts, hidden, toggled) {
  const all = Object.values(counts).reduce((sum, count) => sum + count, 0);
  return archive.modalities.map(({ name }, at) => {
    const count = counts[name] ?? 0;
    return make("button", { type: "button", class: "chip", "aria-pressed": String(!hidden.has(name)), disabled: !count, title: `${percent(all ? count / all : 0)} of the hits`,
      "aria-label": `${name}: ${count} of ${all}`, click: () => toggled(name) },
    make("i", { class: `dot series-${at}` }), name, make("b", {}, String(count)));
  });
}
