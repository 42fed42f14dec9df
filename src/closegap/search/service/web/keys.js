// What keys do: shortcuts anywhere but in a box, arrows from card to card.

import { byId } from "./dom.js";

const typed = (element) => element instanceof HTMLElement && (element.matches("input:not([type=checkbox], [type=radio]), select, textarea") || element.isContentEditable);

const cards = () => [...document.querySelectorAll("#hits .card")];

// Put the focus on a card; Tab reaches the one that had it last.
export function focusCard(card) {
  for (const other of cards()) other.tabIndex = -1;
  card.tabIndex = 0;
  card.focus({ preventScroll: true });
  card.scrollIntoView({ block: "nearest", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
}

// The nearest card above or below, by where it is on the screen; left and right go by rank.
function neighbour(from, key) {
  const all = cards();
  const at = all.indexOf(from);
  if (key === "ArrowLeft") return all[at - 1];
  if (key === "ArrowRight") return all[at + 1];
  const here = from.getBoundingClientRect();
  const down = key === "ArrowDown";
  const middle = (here.left + here.right) / 2;
  const beyond = all.map((card) => [card, card.getBoundingClientRect()])
    .filter(([card, box]) => card !== from && (down ? box.top >= here.bottom - 2 : box.bottom <= here.top + 2));
  const away = ([, box]) => Math.abs(box.top - here.top) * 10 + Math.abs((box.left + box.right) / 2 - middle);
  return beyond.sort((a, b) => away(a) - away(b))[0]?.[0];
}

// Listen; `act` maps a key to what it does, given the focused card or null.
export function listen(act) {
  document.addEventListener("focusin", ({ target }) => {
    const inside = target.closest?.("#hits .card");
    if (inside) for (const card of cards()) card.tabIndex = card === inside ? 0 : -1;
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || document.querySelector("dialog[open]")) return;
    const card = event.target.closest?.("#hits .card") ?? null;
    if (event.key === "Escape") {
      byId("text").focus();
      byId("text").select();
    } else if (event.key === "ArrowDown" && (event.target === byId("text") || event.target === document.body)) {
      const first = cards()[0];
      if (!first) return;
      focusCard(first);
    } else if (typed(event.target)) {
      return;
    } else if (card && event.key.startsWith("Arrow")) {
      const next = neighbour(card, event.key);
      if (next) focusCard(next);
      else if (event.key === "ArrowUp") byId("text").focus();
    } else if (card === event.target && event.key === "Enter") {
      act.Enter(card);
    } else if (event.key !== "Enter" && Object.hasOwn(act, event.key)) {
      act[event.key](card);
    } else {
      return;
    }
    event.preventDefault();
  });
}
