// How an item is shown: a picture, a text with its hits marked, anything else as a table.

import { thumbnail } from "./api.js";
import { make } from "./dom.js";

const meanings = new Map();

// Words for codes, as the archive tells them.
export function mean(words) {
  for (const [code, meaning] of Object.entries(words)) meanings.set(code, meaning);
}

const COMMON = new Set("and but for from has have into its not off that the their there this was were when which with without".split(" "));

// The words of a question that are looked for in texts.
export function wordsOf(texts) {
  const words = texts.flatMap((text) => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? []);
  return [...new Set(words)].filter((word) => word.length > 2 && !COMMON.has(word));
}

// Nodes of a text in which words that begin as those of the question are marked.
export function marked(text, words) {
  return text.split(/([\p{L}\p{N}]+)/u).filter(Boolean).map((token) => {
    const lower = token.toLowerCase();
    const hit = words.some((word) => lower === word || (word.length > 3 && lower.startsWith(word)));
    return hit ? make("mark", {}, token) : token;
  });
}

// A canvas, and not an image element: thumbnails may need a key, and the page's policy loads from the service alone.
export function picture(item, label) {
  const canvas = make("canvas", { role: "img", "aria-label": label, width: 4, height: 3 });
  const frame = make("div", { class: "picture" }, canvas);
  const held = thumbnail(item);
  if (held.bitmap) paint(canvas, held.bitmap);
  else held.promise.then((bitmap) => paint(canvas, bitmap), () => frame.replaceChildren(absent("The picture could not be loaded.")));
  return frame;
}

export function paint(canvas, bitmap) {
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
}

const absent = (text) => make("p", { class: "absent" }, text);

// The entries of what is neither picture nor prose: columns that the payload knows, or single values.
export function entries(item) {
  const text = item.text ?? "";
  const known = Object.entries(item.payload ?? {}).filter(([, value]) => ["string", "number", "boolean"].includes(typeof value));
  const columns = known.filter(([name, value]) => `, ${text},`.includes(`, ${name} ${value},`));
  if (columns.length) return columns.map(([name, value]) => [name, String(value)]);
  return text.split(", ").filter(Boolean).map((value) => ["", value]);
}

function table(item, words, shared) {
  const rows = entries(item);
  if (!rows.length) return absent("Nothing is known.");
  const named = rows.some(([name]) => name);
  if (!named) {
    const codes = rows.map(([, value]) => make("li", { class: shared.has(value) ? "shared" : null }, marked(value, words),
      meanings.has(value) ? make("span", { class: "meaning", title: "the words that texts of this archive have with the code" }, " ", marked(meanings.get(value), words)) : null,
      shared.has(value) ? make("span", { class: "unseen" }, " (in both)") : null));
    return make("ul", { class: "codes" }, codes);
  }
  const body = rows.map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, marked(value, words))));
  return make("table", { class: "record" }, make("tbody", {}, body));
}

// What of an item is seen; `about` is the archive's word on its modality.
export function content(item, about, words = [], shared = new Set()) {
  if (about?.visual) {
    return item.thumbnail ? picture(item, `${item.modality} of case ${item.case}`) : make("div", { class: "picture" }, absent("No picture is kept."));
  }
  if (!item.text) return absent(about?.visual === false && about.noun !== "text" ? "Nothing is known." : "No words are kept.");
  if (about?.noun === "text") return make("p", { class: "prose" }, marked(item.text, words));
  return table(item, words, shared);
}
