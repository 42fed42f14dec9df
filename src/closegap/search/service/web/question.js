// What is asked: the words of the box, and further parts, each with or without it.

import { byId, make } from "./dom.js";
import { paint } from "./items.js";

const WITHOUT = -0.5;  // of what is taken away, beside 1 of the rest, as in `closegap search`

export class Question {
  constructor(changed) {
    this.parts = [];
    this.byCase = false;  // an archive without a model is asked by cases alone
    this.changed = changed;
  }

  // Texts that are asked for, not those that are asked to be absent.
  get texts() {
    const further = this.parts.filter((part) => part.form === "text" && !part.without).map((part) => part.value);
    return [this.byCase ? "" : byId("text").value, ...further].map((text) => text.trim()).filter(Boolean);
  }

  add(part, focus = false) {
    this.parts.push({ without: false, value: "", ...part });
    this.show();
    if (focus) byId("parts").lastElementChild.querySelector("input")?.focus();
  }

  // One case is asked about, and nothing else.
  only(part) {
    byId("text").value = "";
    this.parts = [{ without: false, ...part }];
    this.show();
  }

  // The query and its pictures, as the service takes them; null where nothing is asked for.
  request() {
    const weight = (part) => (part.without ? WITHOUT : 1);
    const given = this.parts.filter((part) => part.form === "image" ? part.file : part.value.trim());
    const of = (form) => given.filter((part) => part.form === form);
    const typed = byId("text").value.trim();
    const main = this.byCase ? "" : typed;
    if (this.byCase && typed) given.unshift({ form: "case", value: typed, without: false });
    if (!main && !given.some((part) => !part.without)) return null;
    const text = of("text").map((part) => ({ value: part.value.trim(), weight: weight(part) }));
    const images = of("image");
    const query = {
      text: main ? [{ value: main, weight: 1 }, ...text] : text,
      cases: of("case").map((part) => ({ id: part.value.trim(), ...(part.modality && { modality: part.modality }), weight: weight(part) })),
    };
    if (images.some((part) => part.without)) query.image_weights = images.map(weight);
    return { query, images: images.map((part) => part.file) };
  }

  // The question of a link, as far as the service still knows it.
  restore(query) {
    const texts = [...(query.text ?? [])];
    const main = texts.findIndex((text) => (text.weight ?? 1) > 0);
    byId("text").value = main < 0 ? "" : texts.splice(main, 1)[0].value;
    this.parts = [
      ...texts.map((text) => ({ form: "text", value: text.value, without: text.weight < 0 })),
      ...(query.cases ?? []).map((of) => ({ form: "case", value: of.id, modality: of.modality, without: of.weight < 0 })),
      ...Array.from({ length: query.images ?? query.image_weights?.length ?? 0 }, () => ({ form: "image", value: "", without: false })),
    ];
    this.show();
  }

  show() {
    byId("parts").replaceChildren(...this.parts.map((part, at) => this.#row(part, at)));
  }

  #row(part, at) {
    const change = (event) => { part.without = event.target.value === "without"; };
    const sign = make("select", { "aria-label": `Part ${at + 2}: with or without`, change },
      make("option", { value: "with", selected: !part.without }, "with"), make("option", { value: "without", selected: part.without }, "without"));
    const remove = make("button", { type: "button", class: "quiet", "aria-label": `Remove part ${at + 2}`, click: () => this.#remove(at) }, "×");
    return make("li", { class: "part" }, sign, part.form === "image" ? seen(part) : written(part, at), remove);
  }

  #remove(at) {
    this.parts.splice(at, 1);
    this.show();
    byId("text").focus();
    this.changed();
  }
}

function written(part, at) {
  const of = part.form === "case";
  const input = (event) => { part.value = event.target.value; delete part.modality; };
  const box = make("input", { "aria-label": of ? `Part ${at + 2}: id of a case` : `Part ${at + 2}: words`, input, autocomplete: "off", spellcheck: "false",
    placeholder: of ? "id of a case" : "such as: effusion" });
  box.value = part.value;
  return make("span", { class: "written" }, of ? make("span", { class: "kind" }, part.modality ? `${part.modality} of case` : "case") : null, box);
}

function seen(part) {
  if (!part.file) return make("span", { class: "kind" }, "a picture that is no longer at hand");
  const canvas = make("canvas", { role: "img", "aria-label": "the picture that is asked about", width: 1, height: 1 });
  createImageBitmap(part.file).then((bitmap) => paint(canvas, bitmap), () => canvas.replaceWith(make("span", { class: "kind" }, "a picture")));
  return make("span", { class: "seen" }, canvas, make("span", { class: "kind" }, "this picture"));
}
