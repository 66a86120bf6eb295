/** The periodic table: which elements must, may or must not be there. */

const STATES = ["", "must", "may", "not"];
const WORDS = { "": "not said", must: "must be there", may: "may be there", not: "must not be there" };

const listed = (symbols) =>
  symbols.length < 2 ? symbols.join("") : `${symbols.slice(0, -1).join(", ")} and ${symbols.at(-1)}`;

export class Elements {
  constructor(table, said, clear) {
    this.buttons = [...table.querySelectorAll("button")];
    this.said = said;
    this.clear = clear;
    table.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      this.stand(button);
      this.set(button, STATES[(STATES.indexOf(button.dataset.state ?? "") + 1) % STATES.length]);
      this.say();
    });
    table.addEventListener("keydown", (event) => {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      const next = way && this.next(event.target, way);
      if (!next) return;
      event.preventDefault();
      this.stand(next);
      next.focus();
    });
    clear.addEventListener("click", () => {
      for (const button of this.buttons) this.set(button, "");
      this.say();
    });
  }

  /** Only one element is reached by the tabulator, the last that was touched. */
  stand(button) {
    for (const one of this.buttons) one.tabIndex = one === button ? 0 : -1;
  }

  /** The nearest element that way, as the table is laid out now. */
  next(from, [dx, dy]) {
    const middle = (one) => { const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; };
    const [x, y] = middle(from);
    let best = null, least = Infinity;
    for (const one of this.buttons) {
      const [u, v] = middle(one), along = (u - x) * dx + (v - y) * dy, aside = Math.abs((u - x) * dy) + Math.abs((v - y) * dx);
      const far = along + 3 * aside;
      if (along > 1 && far < least) { best = one; least = far; }
    }
    return best;
  }

  set(button, state) {
    button.dataset.state = state;
    button.setAttribute("aria-label", `${button.dataset.name}, ${button.dataset.symbol}: ${WORDS[state]}`);
  }

  of(state) {
    return this.buttons.filter((one) => one.dataset.state === state).map((one) => one.dataset.symbol);
  }

  say() {
    const must = this.of("must"), may = this.of("may"), not = this.of("not");
    const parts = [];
    if (must.length) parts.push(`${listed(must)} must be there.`);
    if (may.length) parts.push(`${listed(may)} may be there, and nothing else but traces and hydrogen.`);
    if (not.length) parts.push(`${listed(not)} must not be there.`);
    if (!may.length) parts.push(parts.length ? "Any other element may be there." : "Any element may be there.");
    this.said.textContent = parts.join(" ");
    this.clear.disabled = !(must.length || may.length || not.length);
  }

  /** As options of a look-up. Elements that may be there leave no others. */
  options() {
    const must = this.of("must"), may = this.of("may");
    return {
      elements: may.length ? [...must, ...may].join(",") : "",
      require: must.join(","),
      exclude: this.of("not").join(","),
    };
  }
}
