// The page: what is asked, what was answered, what is shown of it.

import * as api from "./api.js";
import { card, cardsOf, glide, places, keyOf } from "./cards.js";
import { showCases } from "./cases.js";
import { byId, make, number, plural, remember, remembered } from "./dom.js";
import { Filters, chips } from "./filters.js";
import { shareBars, told, ways } from "./gap.js";
import { mean, wordsOf } from "./items.js";
import { focusCard, listen } from "./keys.js";
import { Question } from "./question.js";

const ORDERS = { raw: "raw cosine", corrected: "standardised score" };

let archive = null;
let answer = null;
let order = "corrected";
let chosen = [];
let asking = null;
let retry = () => {};
const hidden = new Set();
const question = new Question(() => answer && ask());
const filters = new Filters(() => answer && ask());

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

const say = (text) => { byId("status").textContent = text; };

function trouble(error, again) {
  byId("trouble").hidden = !error;
  if (!error) return;
  say("");
  const wait = error.wait ? ` Try again in ${plural(error.wait, "second")}.` : "";
  byId("trouble-text").textContent = `${error.message}${wait}`;
  retry = again;
  if (error.status !== 401) return;
  byId("key-button").hidden = false;
  byId("key").showModal();
}

function busy(now) {
  byId("progress").hidden = !now;
  byId("results").setAttribute("aria-busy", String(now));
  byId("results").classList.toggle("waiting", now);
}

async function ask() {
  const request = question.request();
  if (!request) {
    say("Nothing is asked for: write some words, drop a picture, or name a case.");
    byId("text").focus();
    return;
  }
  Object.assign(request.query, filters.request);
  await answering((signal) => api.search(request, signal), ask);
  if (answer) history.pushState(null, "", `#q=${encodeURIComponent(answer.token)}`);
}

// Wait for an answer, and show it or the trouble; an earlier question that is still open is dropped.
async function answering(made, again) {
  asking?.abort();
  const own = asking = new AbortController();
  const before = answer;
  answer = null;
  trouble(null);
  busy(true);
  say("Searching…");
  try {
    const found = await made(own.signal);
    if (own !== asking) return;
    answer = found;
    hidden.clear();
    show();
    const time = answer.seconds === undefined ? "" : ` in ${answer.seconds.toFixed(2)} s`;
    say([`${plural(current().length, "hit")}${answer.not_sure ? ", none of them sure" : ""}${time}`, ...(answer.notes ?? []).map(sentence)].join(". ") + ".");
  } catch (error) {
    if (error.name === "AbortError" || own !== asking) return;
    if (!(error instanceof api.Refusal)) throw error;
    answer = null;
    byId("results").hidden = !before;
    trouble(error, again);
  } finally {
    if (own === asking) busy(false);
  }
}

const current = () => answer[order].map((hit, at) => ({ ...hit, place: at + 1 }));

function view() {
  const other = order === "raw" ? "corrected" : "raw";
  const own = question.parts.find((part) => part.form === "case");
  const asked = own ? answer?.corrected.find((hit) => hit.case === own.value) : null;
  return { archive, chosen, words: wordsOf(question.texts), codes: new Set(asked?.payload?.concepts ?? []), other: ORDERS[other],
    others: new Map((answer?.[other] ?? []).map((hit, at) => [keyOf(hit), at + 1])) };
}

const act = {
  open: (hit) => showCases([hit.case], view(), act),
  choose,
  more(hit) {
    byId("cases").close();
    question.only({ form: "case", value: hit.case, modality: hit.modality });
    scrollTo({ top: 0 });
    ask();
  },
};

function show(gliding = false) {
  const list = byId("hits");
  const before = gliding ? places(list) : null;
  const focused = document.activeElement?.closest?.("#hits li")?.dataset.key;
  const hits = current();
  const seen = hits.filter((hit) => !hidden.has(hit.modality));
  const shown = view();
  list.replaceChildren(...cardsOf(seen, byId("grouped").checked).map((held) => card(held, shown, act)));
  list.classList.toggle("by-case", byId("grouped").checked);
  if (list.firstElementChild) list.querySelector(".card").tabIndex = 0;
  if (before) glide(list, before);
  const again = focused && [...list.children].find((item) => item.dataset.key === focused);
  if (again) focusCard(again.querySelector(".card"));
  byId("none").hidden = seen.length > 0;
  byId("none").textContent = hits.length ? "All that was found is hidden; show a modality above." : "Nothing was found: no row satisfies the filters, or none is there.";
  byId("unsure").hidden = !answer.not_sure;
  byId("start").hidden = true;
  byId("results").hidden = false;
  byId("chips").replaceChildren(...chips(archive, answer.counts?.[order] ?? {}, hidden, toggle));
  gap();
  tray();
}

function gap() {
  const words = told(answer, archive.standardised !== false);
  byId("gap").hidden = !answer.corrected.length;
  byId("gap-told").textContent = words;
  byId("gap-shares").replaceChildren(...shareBars(answer, archive));
  byId("gap-ways").replaceChildren(ways(answer, archive, order, `Places of hits by raw cosine and standardised. ${words}`));
}

function toggle(name) {
  hidden.has(name) ? hidden.delete(name) : hidden.add(name);
  show(true);
  [...byId("chips").children].find((chip) => chip.getAttribute("aria-label").startsWith(`${name}:`))?.focus();
}

function reorder(to) {
  order = to;
  document.querySelector(`[name=order][value=${to}]`).checked = true;
  if (!answer) return;
  show(true);
  say(`Merged by ${ORDERS[order]}. ${told(answer, archive.standardised !== false)}`);
}

function choose(hit) {
  chosen = chosen.includes(hit.case) ? chosen.filter((id) => id !== hit.case) : [...chosen.slice(-1), hit.case];
  const focus = document.activeElement?.closest?.("#hits li");
  show();
  if (focus) say(chosen.length === 2 ? "Two cases are chosen." : chosen.length ? `Case ${chosen[0]} is chosen; choose another to compare.` : "No case is chosen.");
  if (chosen.length === 2) showCases(chosen, view(), act);
}

function tray() {
  byId("tray").hidden = !chosen.length;
  byId("tray-text").textContent = chosen.length === 2 ? `${chosen[0]} and ${chosen[1]}` : `${chosen[0] ?? ""}: choose another to compare`;
  byId("compare").hidden = chosen.length < 2;
}

function unchoose() {
  chosen = [];
  if (answer) show();
}

// A picture is asked about, beside what is there already.
function pictures(files) {
  const held = [...files].filter((file) => file.type.startsWith("image/"));
  if (!held.length) return say("That is no picture; give a PNG or a JPEG file.");
  for (const file of held) question.add({ form: "image", file });
  ask();
}

async function follow() {
  const token = new URLSearchParams(location.hash.slice(1)).get("q");
  if (!token) return;
  if (answer?.token === token) return;
  await answering(async (signal) => {
    const { query, answer: kept } = await api.permalink(token);
    question.restore(query ?? { images: 1 });
    filters.restore(query ?? {});
    if (kept) return { ...kept, token };
    const request = question.request();
    if (!request) throw new api.Refusal(404, "This link is of a question that the service no longer knows.", 0);
    return { ...(await api.search({ ...request, query: { ...request.query, ...filters.request } }, signal)), token };
  }, follow);
}

async function copy() {
  const link = location.href;
  try {
    await navigator.clipboard.writeText(link);
    say("The link is copied. It holds no word of the question, and works as long as the service remembers it.");
  } catch {
    say(`The link: ${link}`);
  }
}

function theme() {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  remember("localStorage", "closegap-theme", root.dataset.theme);
}

async function start() {
  trouble(null);
  try {
    archive = await api.archive();
  } catch (error) {
    if (!(error instanceof api.Refusal)) throw error;
    return trouble(error, start);
  }
  filters.offer(archive);
  const rows = archive.modalities.reduce((sum, of) => sum + of.rows, 0);
  byId("archive").replaceChildren(...archive.modalities.map((of, at) => make("span", {}, make("i", { class: `dot series-${at}` }), `${of.name} `, make("b", {}, number(of.rows)))));
  byId("start-title").textContent = rows ? `${plural(rows, "item")} in ${plural(archive.modalities.length, "modality").replace("modalitys", "modalities")}` : "This archive is empty";
  const takes = (form) => archive.asks?.includes(form) ?? true;
  byId("choose").disabled = !takes("image");
  question.byCase = !takes("text");
  byId("text").placeholder = question.byCase ? "Id of a case" : "Describe what you look for";
  byId("start").hidden = false;
  api.codes().then((words) => { mean(words); if (answer) show(); }, () => {});  // codes stay bare then
  await follow();
}

const focusedHit = (element) => element && current().find((hit) => keyOf(hit) === element.closest("li").dataset.key);
const onCard = (what) => (element) => { const hit = focusedHit(element); if (hit) what(hit); };
const flip = (id) => { byId(id).checked = !byId(id).checked; byId(id).dispatchEvent(new Event("change")); };
const filtering = () => { byId("filters").open = !byId("filters").open; if (byId("filters").open) byId("where").focus(); };
const more = (part) => () => question.add(part, true);

listen({
  "/": () => { byId("text").focus(); byId("text").select(); },
  "?": () => byId("help").showModal(),
  Enter: onCard(act.open),
  c: onCard(choose),
  m: onCard(act.more),
  t: () => reorder(order === "raw" ? "corrected" : "raw"),
  g: () => flip("grouped"),
  f: filtering,
  w: more({ form: "text" }),
  x: more({ form: "text", without: true }),
  p: () => byId("file").click(),
  d: theme,
});

const on = (id, event, what) => byId(id).addEventListener(event, what);
on("form", "submit", (event) => { event.preventDefault(); ask(); });
on("with", "click", more({ form: "text" }));
on("without", "click", more({ form: "text", without: true }));
on("by-case", "click", more({ form: "case" }));
on("choose", "click", () => byId("file").click());
on("file", "change", (event) => { pictures(event.target.files); event.target.value = ""; });
on("grouped", "change", () => { remember("localStorage", "closegap-grouped", byId("grouped").checked ? "yes" : "no"); if (answer) show(true); });
on("copy", "click", copy);
on("again", "click", () => retry());
on("compare", "click", () => showCases(chosen, view(), act));
on("unchoose", "click", unchoose);
on("theme", "click", theme);
on("help-button", "click", () => byId("help").showModal());
on("key-button", "click", () => byId("key").showModal());
on("key-form", "submit", (event) => {
  event.preventDefault();
  api.useKey(byId("key-value").value.trim());
  byId("key-value").value = "";
  byId("key").close();
  archive ? retry() : start();
});
for (const radio of document.querySelectorAll("[name=order]")) radio.addEventListener("change", () => reorder(radio.value));
addEventListener("popstate", follow);
addEventListener("paste", (event) => { if (event.clipboardData?.files.length) { event.preventDefault(); pictures(event.clipboardData.files); } });
addEventListener("dragover", (event) => { event.preventDefault(); byId("drop").hidden = false; });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) byId("drop").hidden = true; });
addEventListener("drop", (event) => { event.preventDefault(); byId("drop").hidden = true; if (event.dataTransfer.files.length) pictures(event.dataTransfer.files); });

byId("grouped").checked = remembered("localStorage", "closegap-grouped") === "yes";
start();
