"use strict";
(() => {
  const RADIUS = 2.4, REACH = 9, DEEPEST = 400;

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const formula = (text) => escape(text).replace(/([A-Za-z)\]])(\d+(?:\.\d+)?)/g, "$1<sub>$2</sub>");
  const number = (value) => value.toLocaleString("en").replaceAll(",", "\u2009");
  const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
  const volume = (value) => number(+value.toFixed(value < 1000 ? 1 : 0));

  /** The indices below `n` in an order that is random but always the same, so that no group covers the others. */
  function shuffled(n) {
    const order = Uint32Array.from({ length: n }, (_, i) => i);
    let state = 1;
    for (let i = n - 1; i > 0; i--) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const j = Math.floor((state / 2 ** 32) * (i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  class LibraryMap {
    constructor(figure) {
      const data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
      this.figure = figure;
      this.field = figure.querySelector(".field");
      this.canvas = figure.querySelector("canvas");
      this.context = this.canvas.getContext("2d");
      this.readout = figure.querySelector(".readout");
      this.legend = figure.querySelector(".groups");
      this.input = figure.querySelector("input");
      this.points = new Float32Array(bytes(data.points).buffer);
      this.volumes = new Float32Array(bytes(data.volumes).buffer);
      this.symbol = new Uint16Array(bytes(data.symbol).buffer);
      this.data = data;
      this.n = data.names.length;
      this.order = shuffled(this.n);
      const lowered = (texts) => texts.map((text) => text.toLowerCase());
      this.lowered = { names: lowered(data.names), formulas: lowered(data.formulas), sources: lowered(data.sources) };
      this.colourings = data.colourings.map((one) => {
        const of = bytes(one.of), counts = new Array(one.groups.length).fill(0);
        for (const group of of) counts[group]++;
        return { ...one, of, counts, hidden: new Set() };
      });
      this.found = null;
      this.emphasis = this.over = this.kept = -1;
      this.addSwitches();
      this.listen();
      this.choose(this.colourings[0]);
      new ResizeObserver(() => this.resize()).observe(this.field);
      matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.choose(this.colouring));
    }

    // Colours and groups

    variable(group) {
      const { ramp, rest, groups } = this.colouring;
      if (ramp) return `--r${Math.round((group * 7) / Math.max(groups.length - 1, 1))}`;
      return group === rest || group > 11 ? "--m-rest" : `--m${group}`;
    }

    choose(colouring) {
      this.colouring = colouring;
      const style = getComputedStyle(this.figure);
      this.colours = colouring.groups.map((_, group) => style.getPropertyValue(this.variable(group)).trim());
      this.ink = style.getPropertyValue("--ink").trim();
      this.card = style.getPropertyValue("--card").trim();
      for (const button of this.figure.querySelectorAll('[data-switch="colouring"] button'))
        button.setAttribute("aria-checked", String(button.dataset.key === colouring.key));
      this.fillLegend();
      this.repaint();
    }

    fillLegend() {
      const { groups, counts, hidden } = this.colouring;
      this.legend.setAttribute("aria-label", this.colouring.title);
      this.legend.replaceChildren();
      groups.forEach((label, group) => {
        if (!counts[group]) return;
        const button = document.createElement("button");
        button.type = "button";
        button.style.setProperty("--colour", `var(${this.variable(group)})`);
        button.innerHTML = `<i class="dot"></i><span>${label}</span><span class="count">${number(counts[group])}</span>`;
        button.setAttribute("aria-pressed", String(!hidden.has(group)));
        button.onclick = () => {
          if (!hidden.delete(group)) hidden.add(group);
          this.showHidden();
        };
        button.ondblclick = () => {
          const others = groups.map((_, i) => i).filter((i) => i !== group && counts[i]);
          const alone = others.every((i) => hidden.has(i));
          hidden.clear();
          if (!alone) others.forEach((i) => hidden.add(i));
          this.showHidden();
        };
        button.onpointerenter = () => { this.emphasis = group; this.repaint(); };
        button.onpointerleave = () => { this.emphasis = -1; this.repaint(); };
        button.dataset.group = group;
        this.legend.append(button);
      });
    }

    showHidden() {
      for (const button of this.legend.children)
        button.setAttribute("aria-pressed", String(!this.colouring.hidden.has(+button.dataset.group)));
      this.repaint();
    }

    // The plane and the screen

    resize() {
      const { clientWidth: width, clientHeight: height } = this.field, ratio = devicePixelRatio || 1;
      this.width = width;
      this.height = height;
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
      this.image = this.context.createImageData(this.canvas.width, this.canvas.height);
      if (!this.moved) this.all();
      else this.whole = this.box().scale;
      this.paint();
    }

    /** The box around the points that `taken` takes: its middle, and the scale at which it fills the field. */
    box(taken = () => true) {
      const low = [Infinity, Infinity], high = [-Infinity, -Infinity];
      for (let i = 0; i < this.n; i++) {
        if (!taken(i)) continue;
        for (const axis of [0, 1]) {
          const value = this.points[2 * i + axis];
          low[axis] = Math.min(low[axis], value);
          high[axis] = Math.max(high[axis], value);
        }
      }
      const room = [this.width, this.height].map((size) => Math.max(size - 50, 50));
      const scales = [0, 1].map((axis) => room[axis] / Math.max(high[axis] - low[axis], 0.02));
      return { middle: [(low[0] + high[0]) / 2, (low[1] + high[1]) / 2], scale: Math.min(...scales) };
    }

    all() {
      const { middle, scale } = this.box();
      this.moved = false;
      this.centre = middle;
      this.scale = this.whole = scale;
      this.repaint();
    }

    goToFound() {
      const { middle, scale } = this.box((i) => this.found[i] && this.shown(i));
      if (!Number.isFinite(middle[0])) return;
      this.moved = true;
      this.centre = middle;
      this.scale = Math.min(scale, this.whole * 40);
      this.repaint();
    }

    place(i) {
      return [
        this.width / 2 + (this.points[2 * i] - this.centre[0]) * this.scale,
        this.height / 2 - (this.points[2 * i + 1] - this.centre[1]) * this.scale,
      ];
    }

    zoom(factor, x = this.width / 2, y = this.height / 2) {
      const scale = clamp(this.scale * factor, this.whole / 2, this.whole * DEEPEST);
      const dx = x - this.width / 2, dy = this.height / 2 - y;
      this.moved = true;
      this.centre[0] += dx / this.scale - dx / scale;
      this.centre[1] += dy / this.scale - dy / scale;
      this.scale = scale;
      this.repaint();
    }

    move(dx, dy) {
      this.moved = true;
      this.centre[0] -= dx / this.scale;
      this.centre[1] += dy / this.scale;
      this.repaint();
    }

    radius() {
      const crowd = clamp((4000 / this.n) ** 0.25, 0.85, 2);
      return RADIUS * crowd * clamp((this.scale / this.whole) ** 0.3, 0.8, 3);
    }

    shown(i) {
      return !this.colouring.hidden.has(this.colouring.of[i]);
    }

    stands(i) {
      return (this.found === null || this.found[i] === 1) && (this.emphasis < 0 || this.colouring.of[i] === this.emphasis);
    }

    /** The point under the pointer, or -1. */
    at(x, y) {
      let best = -1, least = Math.max(REACH, this.radius() + 2) ** 2;
      for (let i = 0; i < this.n; i++) {
        const [px, py] = this.place(i), apart = (px - x) ** 2 + (py - y) ** 2;
        if (apart < least && this.shown(i) && (this.found === null || this.found[i])) [best, least] = [i, apart];
      }
      return best;
    }

    // Drawing

    repaint() {
      if (this.asked || !this.width) return;
      this.asked = true;
      requestAnimationFrame(() => { this.asked = false; this.paint(); });
    }

    /** How much of each pixel around a point a disc covers, of 256. */
    discOf(radius) {
      if (this.disc?.radius === radius) return this.disc;
      const reach = Math.ceil(radius), side = 2 * reach + 1;
      const cover = Uint16Array.from({ length: side * side }, (_, k) => {
        const apart = Math.hypot((k % side) - reach, Math.floor(k / side) - reach);
        return 256 * clamp(radius + 0.5 - apart, 0, 1);
      });
      return (this.disc = { radius, reach, side, cover });
    }

    /** Mixing pixels here is several times faster than ten thousand calls of the canvas. */
    paint() {
      const { context, points, order, width, height, image } = this, { of } = this.colouring;
      const pixels = image.data, across = image.width, down = image.height;
      const ratio = devicePixelRatio || 1, radius = this.radius();
      const { reach, side, cover } = this.discOf(Math.round(radius * ratio * 4) / 4);
      const hidden = this.colours.map((_, group) => this.colouring.hidden.has(group));
      const dims = this.found !== null || this.emphasis >= 0;
      const [red, green, blue] = channels(this.card);
      new Uint32Array(pixels.buffer).fill((0xff000000 | (blue << 16) | (green << 8) | red) >>> 0);
      const paints = this.colours.map(channels);
      for (const front of dims ? [false, true] : [true]) {
        const opacity = front ? 0.84 : 0.12;
        for (let k = 0; k < order.length; k++) {
          const i = order[k], group = of[i];
          if (hidden[group] || (dims && this.stands(i) !== front)) continue;
          const x = Math.round((width / 2 + (points[2 * i] - this.centre[0]) * this.scale) * ratio);
          const y = Math.round((height / 2 - (points[2 * i + 1] - this.centre[1]) * this.scale) * ratio);
          if (x < -reach || y < -reach || x >= across + reach || y >= down + reach) continue;
          const [r, g, b] = paints[group];
          for (let row = Math.max(-reach, -y); row <= Math.min(reach, down - 1 - y); row++) {
            const start = (row + reach) * side + reach, line = (y + row) * across + x;
            for (let column = Math.max(-reach, -x); column <= Math.min(reach, across - 1 - x); column++) {
              const share = cover[start + column] * opacity, at = 4 * (line + column);
              if (!share) continue;
              pixels[at] += ((r - pixels[at]) * share) / 256;
              pixels[at + 1] += ((g - pixels[at + 1]) * share) / 256;
              pixels[at + 2] += ((b - pixels[at + 2]) * share) / 256;
            }
          }
        }
      }
      context.putImageData(image, 0, 0);
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      if (this.found !== null && this.found.count <= 400)
        for (let i = 0; i < this.n; i++) if (this.found[i] && this.shown(i)) this.ring(i, radius + 2, 1);
      for (const i of new Set([this.kept, this.over])) if (i >= 0 && this.shown(i)) this.ring(i, radius + 3, 2);
      this.label();
    }

    ring(i, radius, thickness) {
      const [x, y] = this.place(i), { context } = this;
      context.strokeStyle = this.ink;
      context.lineWidth = thickness;
      context.beginPath();
      context.arc(x, y, radius, 0, 2 * Math.PI);
      context.stroke();
    }

    label() {
      const i = this.over >= 0 ? this.over : this.kept, { readout, data, colouring } = this;
      const visible = i >= 0 && this.shown(i);
      readout.hidden = !visible;
      if (!visible) return;
      const [x, y] = this.place(i), group = colouring.of[i], name = data.names[i];
      readout.style.setProperty("--colour", this.colours[group]);
      const lines = [
        `<b>${name ? escape(name) : formula(data.formulas[i])}</b>`,
        `<span class="soft">${name ? `${formula(data.formulas[i])}, ` : ""}${data.symbols[this.symbol[i]]}</span>`,
        `<span class="soft">cell volume ${volume(this.volumes[i])} Å³</span>`,
        `<span class="soft">${escape(data.sources[i])}</span>`,
        `<span><i class="dot"></i>${escape(colouring.title)}: ${colouring.groups[group]}</span>`,
      ];
      readout.innerHTML = lines.join(" ");
      const left = x + 14 + readout.offsetWidth < this.width ? x + 14 : x - 14 - readout.offsetWidth;
      const top = clamp(y - readout.offsetHeight / 2, 4, Math.max(this.height - readout.offsetHeight - 4, 4));
      readout.style.left = `${clamp(left, 4, Math.max(this.width - readout.offsetWidth - 4, 4))}px`;
      readout.style.top = `${top}px`;
    }

    // Finding

    /** Names in any case; formulas as written, where a capital is among the letters; of four letters on, sources. */
    find(text) {
      const query = text.trim(), low = query.toLowerCase(), { names, formulas, sources } = this.lowered, status = this.figure.querySelector(".found");
      if (!query) {
        this.found = null;
        status.textContent = "";
      } else {
        const exact = query !== low;
        this.found = new Uint8Array(this.n);
        let count = 0;
        for (let i = 0; i < this.n; i++) {
          const made = exact ? this.data.formulas[i].includes(query) : formulas[i].includes(low);
          if (made || names[i].includes(low) || (low.length > 3 && sources[i].includes(low))) { this.found[i] = 1; count++; }
        }
        this.found.count = count;
        status.textContent = count ? `${number(count)} of ${number(this.n)} found` : "nothing found";
      }
      this.over = -1;
      this.repaint();
    }

    // Hands

    addSwitches() {
      const bar = (name) => this.figure.querySelector(`[data-switch="${name}"]`);
      for (const one of this.colourings) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = one.title.split(",")[0];
        button.dataset.key = one.key;
        button.setAttribute("role", "radio");
        button.onclick = () => this.choose(one);
        bar("colouring").append(button);
      }
      for (const [text, label, act] of [
        ["+", "Zoom in", () => this.zoom(1.5)],
        ["−", "Zoom out", () => this.zoom(1 / 1.5)],
        ["All", "See all", () => this.all()],
      ]) {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = text;
        button.title = label;
        button.setAttribute("aria-label", label);
        button.onclick = act;
        bar("zoom").append(button);
      }
      for (const button of this.figure.querySelectorAll("[data-all]"))
        button.onclick = () => {
          const { hidden, groups } = this.colouring;
          hidden.clear();
          if (button.dataset.all === "false") groups.forEach((_, group) => hidden.add(group));
          this.showHidden();
        };
    }

    listen() {
      const { canvas, field } = this;
      const spot = (event) => {
        const box = canvas.getBoundingClientRect();
        return [event.clientX - box.left, event.clientY - box.top];
      };
      let held = null;
      canvas.onpointerdown = (event) => {
        if (event.button) return;
        held = { at: spot(event), moved: false };
        canvas.setPointerCapture(event.pointerId);
      };
      canvas.onpointermove = (event) => {
        const [x, y] = spot(event);
        if (held) {
          const dx = x - held.at[0], dy = y - held.at[1];
          if (!held.moved && Math.hypot(dx, dy) < 4) return;
          held.moved = true;
          held.at = [x, y];
          field.classList.add("moving");
          this.move(dx, dy);
          return;
        }
        const over = this.at(x, y);
        field.classList.toggle("over", over >= 0);
        if (over !== this.over) { this.over = over; this.repaint(); }
      };
      canvas.onpointerup = (event) => {
        if (held && !held.moved) {
          const here = this.at(...spot(event));
          this.kept = here === this.kept ? -1 : here;
          this.repaint();
        }
        held = null;
        field.classList.remove("moving");
      };
      canvas.onpointercancel = () => { held = null; field.classList.remove("moving"); };
      canvas.onpointerleave = () => {
        if (this.over >= 0) { this.over = -1; this.repaint(); }
      };
      canvas.ondblclick = () => this.all();
      canvas.addEventListener("wheel", (event) => {
        event.preventDefault();
        const lines = event.deltaMode ? 30 : 1;
        this.zoom(Math.exp(-clamp(event.deltaY * lines, -240, 240) / 400), ...spot(event));
      }, { passive: false });
      field.addEventListener("keydown", (event) => {
        const step = 60;
        const act = {
          ArrowLeft: () => this.move(step, 0), ArrowRight: () => this.move(-step, 0),
          ArrowUp: () => this.move(0, step), ArrowDown: () => this.move(0, -step),
          "+": () => this.zoom(1.3), "=": () => this.zoom(1.3), "-": () => this.zoom(1 / 1.3),
          0: () => this.all(), Escape: () => { this.kept = -1; this.repaint(); },
        }[event.key];
        if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
        event.preventDefault();
        act();
      });
      this.input.addEventListener("input", () => this.find(this.input.value));
      this.input.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && this.found?.count) this.goToFound();
        if (event.key === "Escape") { this.input.value = ""; this.find(""); }
      });
    }
  }

  for (const figure of document.querySelectorAll(".map")) new LibraryMap(figure);
})();
