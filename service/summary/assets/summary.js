"use strict";
(() => {
  const table = document.querySelector(".summary"), body = table.tBodies[0];
  const rows = [...body.rows], heads = [...table.tHead.rows[0].cells];
  const chips = [...document.querySelectorAll(".chip")], find = document.querySelector(".sieve input");
  const collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });
  const texts = new Map(rows.map((row) => [row, row.textContent.toLowerCase()]));

  /** What a row is sorted by; a row that failed has fewer cells. */
  const value = (row, column) => row.cells[column]?.dataset.v ?? "";

  const sort = (column) => {
    const head = heads[column], numeric = !["file", "phase"].includes(head.dataset.key);
    const falling = ["confidence", "second"].includes(head.dataset.key);
    const now = head.getAttribute("aria-sort");
    const down = now ? now === "ascending" : falling;
    for (const one of heads) one.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    rows.sort((a, b) => {
      const x = value(a, column), y = value(b, column);
      if (x === "" || y === "") return (x === "") - (y === "");
      return sign * (numeric ? x - y : collator.compare(x, y)) || value(a, 0) - value(b, 0);
    });
    body.append(...rows);
  };

  const sieve = () => {
    const shown = new Set(chips.filter((chip) => chip.ariaPressed === "true").map((chip) => chip.dataset.verdict));
    const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const visible = shown.has(row.dataset.verdict) && words.every((word) => texts.get(row).includes(word));
      row.hidden = !visible;
      count += visible;
    }
    document.querySelector(".shown").textContent = count === rows.length ? "" : `${count} of ${rows.length} shown`;
  };

  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => sort(column)));
  for (const chip of chips) {
    chip.addEventListener("click", () => { chip.ariaPressed = String(chip.ariaPressed !== "true"); sieve(); });
  }
  find.addEventListener("input", sieve);
})();
