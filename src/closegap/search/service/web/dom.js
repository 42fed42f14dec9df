// Elements, made without markup: what comes from an archive only ever becomes text.

const SVG = "http://www.w3.org/2000/svg";

export const byId = (id) => document.getElementById(id);

// An element with attributes, listeners (functions) and children (nodes or texts; null is left out).
export function make(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

export function draw(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

export const number = (value) => Number(value).toLocaleString("en");

export const plural = (count, noun) => `${number(count)} ${noun}${count === 1 ? "" : "s"}`;

// A share in percent, which is neither 0 nor 100 where it is not quite.
export const percent = (share) => `${share > 0 && share < 0.01 ? "<1" : share > 0.99 && share < 1 ? ">99" : Math.round(100 * share)} %`;

// What is remembered in this browser; null where it remembers nothing.
export function remembered(store, name) {
  try {
    return globalThis[store].getItem(name);
  } catch {
    return null;
  }
}

export function remember(store, name, value) {
  try {
    globalThis[store].setItem(name, value);
  } catch {
    // Then it holds until the page is left.
  }
}
