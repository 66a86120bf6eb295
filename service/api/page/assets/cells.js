/** The unit cell of an entry in a dialog, to be turned. */

import { call, complain } from "./calls.js";

const byId = (id) => document.getElementById(id);
const dialog = byId("cell");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-cell]");
  if (!button) return;
  try {
    show(button.dataset.title, await (await call(`/v1/entries/${button.dataset.cell}/drawing`)).json());
  } catch (error) {
    complain(byId("problem"), error);
  }
});
byId("cell-close").addEventListener("click", () => dialog.close());
dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });

function show(title, entry) {
  const { a, b, c, alpha, beta, gamma } = entry.cell;
  const lengths = [a, b, c].map((v) => v.toFixed(4)).join(" "), angles = [alpha, beta, gamma].map((v) => `${v.toFixed(2)}°`).join(" ");
  byId("cell-title").textContent = title;
  byId("cell-about").textContent = `${lengths} Å, ${angles}. Drag, or use the arrow keys, to turn it.`;
  const canvas = document.createElement("canvas");
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", `Unit cell of ${title}: ${entry.atoms.length} atoms drawn; arrow keys turn it`);
  const legend = document.createElement("div");
  legend.className = "elements";
  byId("cell-view").replaceChildren(canvas, legend);
  dialog.showModal();
  new braggle.CellViewer(canvas, entry).draw();
  canvas.focus();
}
