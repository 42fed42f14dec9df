// What the gap did to this question: both lists below each other, and each hit's way from one to the other.

import { keyOf } from "./cards.js";
import { draw, make, percent, plural } from "./dom.js";

const MOST = 20;  // places that are drawn
const STEP = 44;
const SIZE = 30;
const TOP = 8;
const BOTTOM = 88;

// How two lists of one question differ: {moved, came, places, shares: [raw, corrected] or null}.
export function difference(answer) {
  const { raw, corrected, query_modality: own } = answer;
  const before = new Map(raw.map((hit, at) => [keyOf(hit), at]));
  const came = corrected.filter((hit) => !before.has(keyOf(hit))).length;
  const moved = corrected.filter((hit, at) => before.has(keyOf(hit)) && before.get(keyOf(hit)) !== at).length;
  const share = (hits) => hits.length ? hits.filter((hit) => hit.modality === own).length / hits.length : 0;
  return { moved, came, places: corrected.length, shares: own ? [share(raw), share(corrected)] : null };
}

// The same in a sentence or two.
export function told(answer, standardised) {
  const { moved, came, places, shares } = difference(answer);
  if (!standardised) return "This archive has no correction of its scores: both lists are one.";
  const changed = !(moved + came) ? "Raw cosine and standardised scores agree on this question: no place changed."
    : `${moved + came} of ${plural(places, "place")} changed${came ? `; ${came} of them to ${came === 1 ? "a hit" : "hits"} that raw cosine had left out` : ""}.`;
  return shares ? `${changed} Own modality (${answer.query_modality}): ${percent(shares[0])} of the hits by raw cosine, ${percent(shares[1])} standardised.` : changed;
}

// The drawing; its words are those of `told`.
export function ways(answer, archive, order, label) {
  const lists = [answer.raw.slice(0, MOST), answer.corrected.slice(0, MOST)];
  const width = STEP * Math.max(lists[0].length, lists[1].length, 1);
  const series = (hit) => archive.modalities.findIndex(({ name }) => name === hit.modality);
  const x = (at) => at * STEP + STEP / 2;
  const after = new Map(lists[1].map((hit, at) => [keyOf(hit), at]));
  const lines = lists[0].filter((hit) => after.has(keyOf(hit))).map((hit) => {
    const [from, to] = [x(lists[0].indexOf(hit)), x(after.get(keyOf(hit)))];
    const [start, end] = [TOP + SIZE, BOTTOM];
    const middle = (start + end) / 2;
    return draw("path", { class: `way series-${series(hit)}`, d: `M${from} ${start}C${from} ${middle} ${to} ${middle} ${to} ${end}` });
  });
  const before = new Set(lists[0].map(keyOf));
  const squares = lists.flatMap((hits, row) => hits.map((hit, at) => {
    const alone = row ? !before.has(keyOf(hit)) : !after.has(keyOf(hit));
    const faded = (order === "corrected") === !row;
    const y = row ? BOTTOM : TOP;
    return draw("g", { class: `square series-${series(hit)}${alone ? " alone" : ""}${faded ? " faded" : ""}` },
      draw("rect", { x: x(at) - SIZE / 2, y, width: SIZE, height: SIZE, rx: 6 }),
      draw("text", { x: x(at), y: y + SIZE / 2 + 4.5, "text-anchor": "middle" }, String(at + 1)));
  }));
  const drawing = draw("svg", { viewBox: `0 0 ${width} ${BOTTOM + SIZE + TOP}`, role: "img", "aria-label": label, preserveAspectRatio: "xMinYMid meet" }, lines, squares);
  return make("div", { class: "ways" }, make("span", { class: "of raw" }, "raw cosine"), drawing, make("span", { class: "of corrected" }, "standardised"));
}

// A bar of an order's modalities, in their colours, beside its words.
export function shareBars(answer, archive) {
  return [["raw", "raw cosine"], ["corrected", "standardised"]].map(([order, name]) => {
    const hits = answer[order];
    const parts = archive.modalities.map((of, at) => ({ at, name: of.name, count: hits.filter((hit) => hit.modality === of.name).length }));
    const bar = make("span", { class: "shares", "aria-hidden": "true" }, parts.filter(({ count }) => count).map(({ at, count }) => {
      const part = make("i", { class: `series-${at}` });
      part.style.flexGrow = count;
      return part;
    }));
    return make("div", { class: "share" }, make("span", {}, name), bar,
      make("span", { class: "counts" }, parts.map((part) => `${part.name} ${part.count}`).join(" · ")));
  });
}
