/** Proposing structures: asked for, watched, cancelled, shown. */

import { body, complain, keep } from "./calls.js";
import { run } from "./jobs.js";

const byId = (id) => document.getElementById(id);

/** Make the form work; `current` gives the pattern that is meant, and its wavelength. */
export function prepareGenerate(current) {
  const form = byId("propose"), problem = byId("generate-problem"), area = byId("proposals");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { file, wavelength } = current(), button = form.querySelector("button");
    const values = {
      formula: byId("formula").value.trim(), wavelength, samples: byId("samples").value,
      time_limit: 60 * byId("minutes").value, part: "true",
    };
    complain(problem, null);
    area.replaceChildren();
    button.disabled = true;
    try {
      const found = await run("/v1/generate", body([file], values));
      if (found) show(area, found); else area.textContent = "Cancelled.";
    } catch (error) {
      complain(problem, error);
    }
    button.disabled = false;
  });
}

function show(area, found) {
  area.innerHTML = found.part;
  area.querySelectorAll(".proposal").forEach((one, i) => {
    const button = document.createElement("button"), { cif, rank } = found.proposals[i];
    button.type = "button";
    button.textContent = `CIF of proposal ${rank}`;
    button.addEventListener("click", () => keep(new Blob([cif], { type: "chemical/x-cif" }), `${found.query.formula}-${rank}.cif`));
    one.append(button);
  });
  if (!found.proposals.length) area.append("No structure could be proposed.");
  braggle.drawPlots(area);
  braggle.drawCells(area);
  area.focus();
}
