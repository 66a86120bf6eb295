/** The page that looks a pattern up. */

import { body, call, complain, keep } from "./calls.js";
import { lookUpAll } from "./batch.js";
import { Elements } from "./elements.js";
import { meant, prepareGenerate } from "./generate.js";
import "./cells.js";

const byId = (id) => document.getElementById(id);
const elements = new Elements(document.querySelector(".table-of-elements"), byId("said"), byId("clear"));
const problem = byId("problem");
let file = null, several = null, reading = null, asking = null, asked = null;

/* --- the pattern ----------------------------------------------------------------------- */

function wavelength() {
  const chosen = byId("wavelength").value;
  return chosen === "other" ? byId("other").value.trim() : chosen;
}

function choose(value) {
  const known = [...byId("wavelength").options].some((one) => one.value === value);
  byId("wavelength").value = known ? value : "other";
  byId("other").value = known ? "" : value;
  byId("other-field").hidden = byId("wavelength").value !== "other";
}

function take(given, radiation = "") {
  if (!given) return;
  file = given;
  several = null;
  choose(radiation);
  clear();
  return read();
}

function clear() {
  asking?.abort();
  byId("result").hidden = true;
  byId("proposals").replaceChildren();
  meant(file);
  byId("generate-said").textContent = byId("status").textContent = "";
  complain(byId("generate-problem"), null);
  byId("ask").textContent = several ? `Look up ${several.length} patterns` : "Look up";
}

/** Several files are looked up as they are; none is drawn before. */
function takeAll(given) {
  const files = [...given];
  byId("batch").hidden = true;
  if (files.length < 2) return take(files[0]);
  reading?.abort();
  several = files;
  file = null;
  choose("");
  clear();
  complain(problem, null);
  byId("file-name").textContent = `${files.length} files`;
  byId("file-about").textContent = files.map((one) => one.name).join(", ");
  byId("wavelength").options[0].textContent = "as each file says, else Cu Kα";
  byId("wavelength-field").classList.remove("asked");
  byId("curve").hidden = byId("file-warnings").hidden = true;
  byId("ask").disabled = false;
}

/** Read the file as it is and draw it. */
async function read() {
  reading?.abort();
  const mine = (reading = new AbortController());
  complain(problem, null);
  byId("ask").disabled = true;
  byId("file-name").textContent = file.name;
  byId("file-about").textContent = "reading …";
  try {
    const request = { ...body([file], { wavelength: wavelength() }), signal: mine.signal };
    const { query, curves } = await (await call("/v1/patterns", request)).json();
    describe(query);
    draw(curves);
    byId("ask").disabled = false;
  } catch (error) {
    if (error.name === "AbortError") return;
    byId("file-about").textContent = "could not be read";
    byId("curve").hidden = true;
    complain(problem, error);
  }
}

function describe(query) {
  const [low, high] = query.two_theta_range_deg ?? query.q_range_inv_angstrom;
  const axis = query.two_theta_range_deg ? `2θ ${low.toFixed(2)} to ${high.toFixed(2)}°` : `Q ${low.toFixed(3)} to ${high.toFixed(3)} Å⁻¹`;
  const length = query.wavelength_angstrom && `${+query.wavelength_angstrom.toPrecision(6)} Å`;
  const source = { stated: `${length}, as the file says`, given: `${length}, as you say`, assumed: `${length}, assumed` };
  byId("file-about").textContent = `${query.points} points, ${axis}, ${source[query.wavelength_source] ?? "no wavelength needed"}`;
  const unknown = query.wavelength_source === "assumed";
  byId("wavelength-field").classList.toggle("asked", unknown);
  byId("wavelength").options[0].textContent = unknown ? "not known: assume Cu Kα" : "as the file says";
  const said = unknown ? ["The file does not say which wavelength it was measured with. Choose it below: a wrong one finds wrong phases."] : [];
  const warnings = [...said, ...query.warnings.filter((one) => !unknown || !/wavelength/i.test(one))];
  byId("file-warnings").replaceChildren(...warnings.map((one) => Object.assign(document.createElement("li"), { textContent: one })));
  byId("file-warnings").hidden = !warnings.length;
}

function draw(curves) {
  const part = byId("empty-plot").content.cloneNode(true);
  part.querySelector("script").textContent = JSON.stringify(curves);
  byId("curve").replaceChildren(part);
  byId("curve").hidden = false;
  braggle.drawPlots(byId("curve"));
}

byId("file").addEventListener("change", (event) => { takeAll(event.target.files); event.target.value = ""; });
for (const kind of ["dragover", "dragleave", "drop"])
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    byId("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") takeAll(event.dataTransfer.files);
  });
for (const button of document.querySelectorAll("[data-example]"))
  button.addEventListener("click", async () => {
    try {
      byId("batch").hidden = true;
      const content = await (await call(`/examples/${button.dataset.example}`)).blob();
      await take(new File([content], button.dataset.file), button.dataset.wavelength);
    } catch (error) {
      complain(problem, error);
    }
  });
byId("wavelength").addEventListener("change", (event) => {
  const other = event.target.value === "other";
  byId("other-field").hidden = !other;
  if (other) byId("other").focus(); else if (file) read();
});
byId("other").addEventListener("change", () => { if (file) read(); });

/* --- the answer ------------------------------------------------------------------------ */

byId("look-up").addEventListener("submit", async (event) => {
  event.preventDefault();
  const options = { wavelength: wavelength(), phases: byId("phases").value, top: byId("top").value, ...elements.options() };
  complain(problem, null);
  if (file) return lookUp(options);
  if (!several) return;
  byId("ask").disabled = true;
  await lookUpAll(several, options, async (one) => {
    await take(one, options.wavelength);
    if (file === one && !byId("ask").disabled) await lookUp(options);
  });
  byId("ask").disabled = false;
});

async function lookUp(options) {
  asking?.abort();
  const mine = (asking = new AbortController());
  byId("status").textContent = "Looking up …";
  byId("ask").setAttribute("aria-busy", "true");
  try {
    const answer = await call("/parts/answer", { ...body([file], options), signal: mine.signal });
    byId("answer").innerHTML = await answer.text();
    asked = { file, options };
    byId("curve").hidden = true;
    byId("result").hidden = false;
    braggle.drawPlots(byId("answer"));
    byId("status").textContent = "";
    byId("result").focus({ preventScroll: true });
    byId("result").scrollIntoView();
  } catch (error) {
    if (error.name === "AbortError") return;
    byId("status").textContent = "";
    complain(problem, error);
  } finally {
    if (asking === mine) byId("ask").removeAttribute("aria-busy");
  }
}

/** Files that the service makes of the last look-up, each under the pattern's name. */
for (const [id, path, ending] of [["report", "/v1/report", ".html"], ["hand-over", "/v1/hand-over", ".zip"]])
  byId(id).addEventListener("click", async () => {
    const label = byId(id).textContent;
    byId(id).textContent = "being written …";
    byId(id).disabled = true;
    try {
      const answer = await call(path, body([asked.file], asked.options));
      keep(await answer.blob(), asked.file.name.replace(/\.[^.]*$/, "") + ending);
    } catch (error) {
      complain(problem, error);
    }
    byId(id).disabled = false;
    byId(id).textContent = label;
  });

prepareGenerate(() => ({ file, wavelength: wavelength() }));
