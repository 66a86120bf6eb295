/** Several patterns at once: a row a file, filled as answers come, each opening its answer. */

import { body, complain } from "./calls.js";
import { run } from "./jobs.js";

const byId = (id) => document.getElementById(id);
const VERDICTS = { match: "Match", ambiguous: "Ambiguous", "no-confident-match": "No confident match" };

/** A name that only repeats a formula is none. */
const FORMULA = /^(?=.*\d)(?:[A-Z][a-z]?[\d.]*|\)[\d.]*|[(\s])+$/;

const element = (name, text = "", style = "") => Object.assign(document.createElement(name), { textContent: text, className: style });

/** A formula with its amounts as subscripts. */
function formula(text) {
  const whole = element("span", "", "formula");
  for (const part of text.split(/(?<=[A-Za-z)\]])(\d+(?:\.\d+)?)/))
    if (part) whole.append(/^\d/.test(part) ? element("sub", part) : part);
  return whole;
}

function cells(row) {
  return Object.fromEntries([...row.cells].map((cell) => [cell.dataset.label, cell]));
}

function rowOf(file) {
  const row = document.createElement("tr");
  for (const label of ["File", "Verdict", "Phase", "Confidence", ""]) {
    const cell = row.insertCell();
    if (label) cell.dataset.label = label;
  }
  cells(row).File.append(element("span", file.name, "phase"));
  cells(row).Verdict.append(element("span", "waits", "soft"));
  return row;
}

function fill(row, file, answer, open) {
  const { Verdict, Phase, Confidence } = cells(row);
  if (answer.error) {
    Verdict.replaceChildren(element("span", "Not looked up", "badge"));
    Phase.replaceChildren(answer.error);
    return;
  }
  const best = answer.hits[0];
  Verdict.replaceChildren(element("span", VERDICTS[answer.verdict], `badge ${answer.verdict}`));
  if (answer.query.wavelength_source === "assumed") Verdict.append(element("span", "wavelength assumed", "soft also"));
  if (best) {
    const name = best.names.find((one) => !FORMULA.test(one));
    if (name) Phase.replaceChildren(element("span", name, "phase"), formula(best.formula));
    else Phase.replaceChildren(formula(best.formula));
    Confidence.textContent = best.confidence < 0.01 ? "under 1 %" : `${Math.min(99, Math.round(100 * best.confidence))} %`;
  }
  const button = element("button", "Open");
  button.type = "button";
  button.append(element("span", ` the answer to ${file.name}`, "unseen"));
  button.addEventListener("click", () => open(file));
  row.lastElementChild.replaceChildren(button);
}

/** Look files up with the same options; `open` is called with a file whose answer is wanted. */
export async function lookUpAll(files, options, open) {
  const rows = files.map(rowOf), said = byId("batch-said"), problem = byId("problem");
  let done = new Set();
  const take = (number, answer) => {
    fill(rows[number], files[number], answer, open);
    done.add(number);
    said.textContent = `${done.size} of ${files.length} answered.`;
  };
  byId("batch-rows").replaceChildren(...rows);
  byId("batch").hidden = false;
  said.textContent = "";
  byId("batch").scrollIntoView();
  try {
    const all = await run("/v1/search", body(files, options), byId("batch-job"), ({ number, document }) => take(number, document));
    if (all) all.forEach((answer, number) => { if (!done.has(number)) take(number, answer); });
    else said.textContent = `Cancelled: ${done.size} of ${files.length} answered.`;
  } catch (error) {
    said.textContent = "";
    complain(problem, error);
  }
  for (const row of rows) if (cells(row).Verdict.textContent === "waits") cells(row).Verdict.replaceChildren(element("span", "not looked up", "soft"));
}
