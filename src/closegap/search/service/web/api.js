// The service, asked over HTTP; addresses are relative, so that a proxy may put it below any path.

import { remember, remembered } from "./dom.js";

const KEY = "closegap-key";

let key = remembered("sessionStorage", KEY) ?? "";

export function useKey(given) {
  key = given;
  remember("sessionStorage", KEY, given);
}

export class Refusal extends Error {
  constructor(status, message, wait) {
    super(message);
    this.status = status;
    this.wait = wait;
  }
}

async function answered(path, options = {}) {
  const headers = { ...options.headers, ...(key && { Authorization: `Bearer ${key}` }) };
  let response;
  try {
    response = await fetch(path, { ...options, headers, credentials: "omit", redirect: "error" });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The service does not answer. Is it running, and is this machine connected to it?", 0);
  }
  if (response.ok) return response;
  const said = await response.json().catch(() => ({}));
  const message = typeof said.error === "string" ? said.error : `the service answered ${response.status}`;
  throw new Refusal(response.status, message, Number(response.headers.get("Retry-After")) || 0);
}

const json = async (path, options) => (await answered(path, options)).json();

const part = encodeURIComponent;

export const archive = () => json("v1/archive");

export const codes = () => json("v1/codes");

export const caseOf = (id) => json(`v1/cases/${part(id)}`);

export const permalink = (token) => json(`v1/permalinks/${part(token)}`);

// A query as the service takes it, with the picture files that belong to it.
export function search({ query, images }, signal) {
  if (!images.length) {
    const headers = { "Content-Type": "application/json" };
    return json("v1/search", { method: "POST", headers, body: JSON.stringify(query), signal });
  }
  const form = new FormData();
  form.append("query", JSON.stringify(query));
  for (const image of images) form.append("image", image, "image");  // a file's name may name a patient
  return json("v1/search", { method: "POST", body: form, signal });
}

const MOST = 300;
const pictures = new Map();

// The decoded thumbnail of an item: a promise, kept, and its bitmap once there.
export function thumbnail({ modality, id }) {
  const path = `v1/items/${part(modality)}/${part(id)}/thumbnail`;
  const held = pictures.get(path) ?? { bitmap: null, promise: null };
  if (!held.promise) {
    held.promise = answered(path).then((response) => response.blob()).then(createImageBitmap).then((bitmap) => (held.bitmap = bitmap));
    held.promise.catch(() => pictures.delete(path));
    pictures.set(path, held);
    if (pictures.size > MOST) pictures.delete(pictures.keys().next().value);
  }
  return held;
}
