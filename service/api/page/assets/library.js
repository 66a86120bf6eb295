/** The page of the library: what it holds, entries, and adding to it. */

import { body, call, complain } from "./calls.js";
import { run } from "./jobs.js";
import "./cells.js";

const byId = (id) => document.getElementById(id);
const problem = byId("problem");
let next = "";

async function glance() {
  byId("glance").innerHTML = await (await call("/parts/library")).text();
}

/** Rows of the first page, or of the one that follows. */
async function find(cursor = "") {
  const given = [...new FormData(byId("find"))].filter(([, value]) => value.trim());
  const query = new URLSearchParams([...given, ["limit", "25"], ...(cursor ? [["cursor", cursor]] : [])]);
  const part = document.createElement("template");
  part.innerHTML = await (await call(`/parts/entries?${query}`)).text();
  const table = part.content.querySelector("table"), rows = [...table.querySelectorAll("tr")];
  if (cursor) byId("rows").append(...rows); else byId("rows").replaceChildren(...rows);
  if (cursor) rows[0]?.querySelector("button")?.focus();
  next = table.dataset.next;
  byId("more").hidden = !next;
  const { total } = table.dataset, shown = byId("rows").children.length;
  byId("count").textContent = total === "0" ? "No entry is like that." : `${total} ${total === "1" ? "entry" : "entries"}, ${shown} shown`;
}

async function attempt(work, where = problem) {
  complain(where, null);
  try {
    await work();
  } catch (error) {
    complain(where, error);
  }
}

byId("find").addEventListener("submit", (event) => {
  event.preventDefault();
  attempt(() => find());
});
byId("more").addEventListener("click", () => attempt(() => find(next)));
byId("add").addEventListener("submit", (event) => {
  event.preventDefault();
  byId("added").textContent = "";
  attempt(async () => {
    const change = await run("/v1/entries", body(byId("cifs").files), byId("add-job"));
    if (!change) { byId("added").textContent = "Cancelled."; return; }
    const said = [`${change.added} added`, `${change.merged} joined to entries there were`, `${change.known} known already`];
    if (change.problems.length) said.push(`${change.problems.length} not read: ${change.problems[0]}`);
    byId("added").textContent = `${said.join(", ")}. The library is now version ${change.library.version}.`;
    byId("add").reset();
    setTimeout(() => attempt(async () => { await glance(); await find(); }), 3000); // the service takes it up by then
  }, byId("add-problem"));
});

/* --- the map and the templates, each a page of its own ------------------------------------ */

const NAMES = { map: "Map of the library", templates: "Templates of the library" };

/** Made once for a version. */
async function draw(what) {
  const found = await run(`/v1/library/${what}`, { method: "POST" }, byId("draw-job"));
  if (!found) { byId("draw-said").textContent = "Cancelled."; return; }
  const frame = Object.assign(document.createElement("iframe"), { title: NAMES[what], srcdoc: found.page });
  frame.sandbox = "allow-scripts";
  byId("drawn").replaceChildren(frame);
  byId("draw-said").textContent = `${NAMES[what]}, version ${found.library.version}.`;
}

const draws = [...document.querySelectorAll("[data-draw]")];
for (const button of draws)
  button.addEventListener("click", async () => {
    byId("draw-said").textContent = "";
    for (const one of draws) one.disabled = true;
    await attempt(() => draw(button.dataset.draw), byId("draw-problem"));
    for (const one of draws) one.disabled = false;
  });

const load = () => attempt(async () => { await glance(); await find(); });
document.addEventListener("key", load);
load();
