// The hits of an answer as cards: one a hit, or one a case.

import { make, percent } from "./dom.js";
import { content } from "./items.js";

export const keyOf = (hit) => JSON.stringify([hit.modality, hit.id]);

// Where a hit stands in the other list: {text, sign}, or null where nothing is to be compared.
export function moved(hit, place, others, other) {
  const before = others.get(keyOf(hit));
  if (before === undefined) return { text: `not among the first by ${other}`, sign: "new" };
  if (before === place) return null;
  return { text: `${before > place ? "up" : "down"} from ${before} by ${other}`, sign: before > place ? "up" : "down" };
}

const ARROWS = { up: "▲", down: "▼", new: "+" };

// Lists of hits that share a card, in the order of each card's best.
export function cardsOf(hits, grouped) {
  const cards = new Map();
  for (const hit of hits) {
    const key = grouped ? hit.case : keyOf(hit);
    if (!cards.has(key)) cards.set(key, []);
    cards.get(key).push(hit);
  }
  return [...cards.values()];
}

// A card; `view` says how it is shown, `act` what its buttons do.
export function card(hits, view, act) {
  const best = hits[0];
  const label = `${hits.map((hit) => hit.modality).join(", ")} of case ${best.case}, place ${best.place}`;
  const chosen = view.chosen.includes(best.case);
  return make("li", { "data-key": keyOf(best), "data-case": best.case, "data-modality": best.modality },
    make("article", { class: `card${chosen ? " chosen" : ""}`, tabindex: "-1", "aria-label": label },
      hits.map((hit) => shown(hit, view)),
      make("footer", {},
        make("button", { type: "button", class: "case", click: () => act.open(best), "aria-label": `Open case ${best.case}` }, best.case),
        make("span", { class: "acts" },
          make("button", { type: "button", class: "quiet", click: () => act.more(best), "aria-label": `More like ${best.modality} of case ${best.case}` }, "More like this"),
          make("button", { type: "button", class: "quiet", "aria-pressed": String(chosen), click: () => act.choose(best), "aria-label": `Compare case ${best.case}` },
            chosen ? "Chosen" : "Compare")))));
}

function shown(hit, view) {
  const at = view.archive.modalities.findIndex(({ name }) => name === hit.modality);
  const change = moved(hit, hit.place, view.others, view.other);
  return make("div", { class: `hit series-${at}` },
    make("header", {}, make("b", { class: "place" }, String(hit.place)), make("i", { class: `dot series-${at}` }), make("span", {}, hit.modality),
      change && make("span", { class: `moved ${change.sign}` }, make("span", { "aria-hidden": "true" }, `${ARROWS[change.sign]} `), change.text)),
    content(hit, view.archive.modalities[at], view.words, view.codes),
    worth(hit),
    known(hit, view));
}

// What the hit is worth: a bar where the archive is calibrated, and its scores.
function worth(hit) {
  const scores = make("span", { class: "scores" }, `cosine ${hit.cosine.toFixed(3)}`);
  if (hit.probability === null || hit.probability === undefined) return make("div", { class: "worth" }, make("span", {}, `score ${hit.score.toFixed(3)}`), scores);
  const unsure = hit.answers === false;
  const bar = make("i");
  bar.style.width = `${100 * hit.probability}%`;
  return make("div", { class: `worth${unsure ? " unsure" : ""}` },
    make("span", { class: "bar", "aria-hidden": "true" }, bar),
    make("span", {}, `${percent(hit.probability)} likely relevant${unsure ? ", not sure" : ""}`), scores);
}

function known(hit, view) {
  const labels = Object.keys(view.archive.labels ?? {}).filter((label) => hit.payload?.[label] !== undefined && hit.payload[label] !== "");
  if (!labels.length) return null;
  return make("p", { class: "known" }, labels.map((label) => make("span", {}, make("span", { class: "unseen" }, `${label}: `), String(hit.payload[label]))));
}

// Let cards glide from where they were to where they are; those that came fade in.
export function glide(list, before) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  for (const item of list.children) {
    const from = before.get(item.dataset.key);
    const to = item.getBoundingClientRect();
    const frames = from
      ? [{ transform: `translate(${from.left - to.left}px, ${from.top - to.top}px)` }, { transform: "none" }]
      : [{ opacity: 0, transform: "scale(.96)" }, { opacity: 1, transform: "none" }];
    item.animate(frames, { duration: 420, easing: "cubic-bezier(.2, .7, .2, 1)" });
  }
}

export const places = (list) => new Map([...list.children].map((item) => [item.dataset.key, item.getBoundingClientRect()]));
