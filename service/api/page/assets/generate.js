/** Proposing structures: asked for, watched, cancelled, shown as they come. */

import { body, complain, keep } from "./calls.js";
import { run } from "./jobs.js";

const byId = (id) => document.getElementById(id);

const ALONE = "No pattern is chosen: they will be for the composition alone, and much less sure.";

/** Say what they will be for: a pattern's file, or none. */
export function meant(file) {
  byId("proposed-for").textContent = file ? `They will be for ${file.name}.` : ALONE;
}

/** Make the form work; `current` gives the pattern that is meant, if any, and its wavelength. */
export function prepareGenerate(current) {
  meant(current().file);
  const form = byId("propose"), problem = byId("generate-problem"), area = byId("proposals"), said = byId("generate-said");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { file, wavelength } = current(), button = form.querySelector("button");
    const values = {
      ...asked(form), wavelength: file && wavelength, samples: byId("samples").value,
      time_limit: 60 * byId("minutes").value, part: "true",
    };
    complain(problem, null);
    area.replaceChildren();
    said.textContent = "";
    button.disabled = true;
    try {
      const found = await run("/v1/generate", body(file ? [file] : [], values), byId("generate-job"), (part) => {
        show(area, part);
        said.textContent = `${counted(part)} so far, not yet refined.`;
      });
      if (found) {
        show(area, found);
        said.textContent = `${counted(found)} proposed.`;
        area.focus();
      } else said.textContent = area.children.length ? "Cancelled. What there was by then is below." : "Cancelled.";
    } catch (error) {
      said.textContent = "";
      complain(problem, error);
    }
    button.disabled = false;
  });
}

/** What the form says of the sample and of the way. Elements alone are told by their commas. */
function asked(form) {
  const given = new FormData(form), engines = given.getAll("engines"), made = byId("formula").value.trim();
  const values = Object.fromEntries([...given].map(([name, value]) => [name, value.trim()]));
  if (engines.length) values.engines = engines.join(",");
  if (made.includes(",")) return { ...values, elements: made, engines: values.engines ?? "pointcloud" };
  return { ...values, formula: made };
}

const counted = ({ proposals }) => (proposals.length === 1 ? "One structure" : `${proposals.length || "No"} structures`);

function show(area, found) {
  area.innerHTML = found.part;
  area.querySelectorAll(".proposal").forEach((one, i) => {
    const button = document.createElement("button"), { cif, formula, rank } = found.proposals[i];
    button.type = "button";
    button.textContent = `CIF of proposal ${rank}`;
    button.addEventListener("click", () => keep(new Blob([cif], { type: "chemical/x-cif" }), `${formula}-${rank}.cif`));
    one.append(button);
  });
  braggle.drawPlots(area);
  braggle.drawCells(area);
}
