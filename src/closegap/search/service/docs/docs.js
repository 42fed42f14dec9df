"use strict";

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

async function list() {
  const home = document.getElementById("routes");
  const said = await (await fetch("openapi.json")).json();
  for (const [path, methods] of Object.entries(said.paths)) {
    for (const [method, route] of Object.entries(methods)) {
      const section = document.createElement("section");
      section.append(element("h2", `${method.toUpperCase()} ${path}`), element("p", route.description || ""));
      for (const [type, body] of Object.entries(route.requestBody?.content || {})) {
        const shown = document.createElement("details");
        shown.append(element("summary", type), element("pre", JSON.stringify(body.schema, null, 1)));
        section.append(shown);
      }
      home.append(section);
    }
  }
}

list();
