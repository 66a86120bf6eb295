"use strict";
(() => {
  const HEIGHT = { main: 330, row: 15, gap: 12, difference: 92, axis: 40, strip: 34 };
  const MARGIN = { left: 66, right: 16, top: 10 };
  const AXES = { tt: "2θ", q: "Q", d: "d" };
  const TITLES = { tt: "2θ (°)", q: "Q (Å⁻¹)", d: "d (Å)" };

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer;
  const floats = (text) => new Float32Array(bytes(text));
  const shorts = (text) => new Int16Array(bytes(text));
  const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  /** Colour of a rank; 0 is the sum of several phases. */
  const paint = (rank) => (rank ? ((rank - 1) % 5) + 1 : 0);

  /** First index whose value is not below `target`. */
  function bisect(values, target) {
    let low = 0, high = values.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[middle] < target) low = middle + 1; else high = middle;
    }
    return low;
  }

  /** Round steps that cut `span` into about `count` parts. */
  function niceStep(span, count) {
    const raw = span / Math.max(count, 1), power = 10 ** Math.floor(Math.log10(raw));
    return power * [1, 2, 5, 10].find((m) => m * power >= raw);
  }

  function ticksBetween(low, high, count) {
    const step = niceStep(high - low, count), ticks = [];
    for (let k = Math.ceil(low / step); k * step <= high + step * 1e-9; k++) ticks.push(k * step);
    return { ticks, digits: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
  }

  const short = (value) => {
    const size = Math.abs(value);
    if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)} M`;
    if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)} k`;
    return `${+value.toPrecision(3)}`;
  };

  const miller = (hkl) =>
    hkl.map((n) => (n < 0 ? `<span class="bar">${-n}</span>` : `${n}`)).join(hkl.some((n) => Math.abs(n) > 9) ? " " : "");

  class Plot {
    constructor(figure) {
      const data = JSON.parse(figure.querySelector('script[type="application/json"]').textContent);
      this.figure = figure;
      this.stage = figure.querySelector(".stage");
      this.id = figure.dataset.plot;
      this.wavelength = data.wavelength;
      this.hasTwoTheta = data.hasTwoTheta;
      this.x = floats(data.x);
      this.counts = floats(data.counts);
      this.background = floats(data.background);
      this.humps = data.humps?.map(floats);
      this.hits = data.hits.map((hit, i) => ({
        ...hit, calculated: floats(hit.calculated), ticks: floats(hit.ticks), hkl: shorts(hit.hkl), shown: hit.shown ?? i === 0,
        label: hit.label ?? `#${hit.rank}`,
      }));
      // Lines are known down to a smallest d; past the last one there is nothing to compare.
      this.limit = Math.max(0, ...this.hits.map((hit) => hit.ticks[hit.ticks.length - 1] ?? 0)) * 1.01;
      this.end = this.hits.length ? bisect(this.x, this.limit) : this.x.length;
      this.shown = { measured: true, background: false, humps: true, difference: true };
      this.axis = this.hasTwoTheta ? "tt" : "q";
      this.root = false;
      this.buildControls();
      this.place();
      if (this.end > 0 && this.end < this.x.length) this.view[1] = this.p[this.end];
      this.listen();
    }

    /* --- what stands where ------------------------------------------------------------- */

    q(twoTheta) { return (4 * Math.PI * Math.sin((twoTheta * Math.PI) / 360)) / this.wavelength; }

    /** Positions along the axis: 2θ itself, or Q for both Q and d (d is labelled on a Q axis). */
    position(twoTheta) { return this.axis === "tt" ? twoTheta : this.q(twoTheta); }

    place() {
      this.p = Float64Array.from(this.x, (v) => this.position(v));
      for (const hit of this.hits) hit.p = Float64Array.from(hit.ticks, (v) => this.position(v));
      this.full = [this.p[0], this.p[this.p.length - 1]];
      this.view = [...this.full];
    }

    setAxis(axis) {
      const old = this.view.map((v) => bisect(this.p, v));
      this.axis = axis;
      this.place();
      this.view = old.map((i) => this.p[Math.min(i, this.p.length - 1)]);
      this.draw();
    }

    setView(low, high) {
      const [first, last] = this.full, least = (last - first) / 2000;
      const span = clamp(high - low, least, last - first);
      const start = clamp((low + high - span) / 2, first, last - span);
      this.view = [start, start + span];
      this.schedule();
    }

    zoom(factor, centre = (this.view[0] + this.view[1]) / 2) {
      this.setView(centre - (centre - this.view[0]) * factor, centre + (this.view[1] - centre) * factor);
    }

    pan(share) {
      const step = (this.view[1] - this.view[0]) * share;
      this.setView(this.view[0] + step, this.view[1] + step);
    }

    schedule() {
      this.frame ??= requestAnimationFrame(() => { this.frame = undefined; this.draw(); });
    }

    toX(p) { return MARGIN.left + ((p - this.view[0]) / (this.view[1] - this.view[0])) * this.inner; }
    fromX(x) { return this.view[0] + ((x - MARGIN.left) / this.inner) * (this.view[1] - this.view[0]); }
    height(value) { return this.root ? Math.sqrt(Math.max(value, 0)) : value; }

    /* --- drawing ----------------------------------------------------------------------- */

    /** A path through [from, to), at most four points a pixel: first, least, greatest, last. */
    path(values, from, to, toX, toY) {
      let out = "", pen = "M", i = from;
      const put = (k) => { out += `${pen}${toX(this.p[k]).toFixed(1)} ${toY(values[k], k).toFixed(1)}`; pen = "L"; };
      while (i < to) {
        if (!Number.isFinite(values[i])) { pen = "M"; i++; continue; }
        const column = Math.floor(toX(this.p[i]));
        let last = i, least = i, greatest = i;
        while (last + 1 < to && Number.isFinite(values[last + 1]) && Math.floor(toX(this.p[last + 1])) === column) {
          last++;
          if (values[last] < values[least]) least = last;
          if (values[last] > values[greatest]) greatest = last;
        }
        let before = -1;
        for (const k of [i, Math.min(least, greatest), Math.max(least, greatest), last])
          if (k !== before) { put(k); before = k; }
        i = last + 1;
      }
      return out;
    }

    draw() {
      const width = Math.max(this.stage.clientWidth, 280), narrow = width < 560;
      const main = narrow ? 250 : HEIGHT.main;
      this.width = width;
      this.inner = width - MARGIN.left - MARGIN.right;
      const visible = this.hits.filter((hit) => hit.shown), focus = visible[0];
      const from = Math.max(bisect(this.p, this.view[0]) - 1, 0);
      const to = Math.min(bisect(this.p, this.view[1]) + 1, this.p.length);

      let low = Infinity, high = -Infinity;
      const curves = [this.counts, ...visible.map((hit) => hit.calculated)];
      if (this.shown.background) curves.push(this.background);
      for (const curve of curves)
        for (let i = from; i < to; i++) {
          if (i >= this.end && curve !== this.counts && curve !== this.background) break;
          const value = this.height(curve[i]);
          if (value < low) low = value;
          if (value > high) high = value;
        }
      const room = (high - low || 1) * 0.04;
      low = Math.max(low - room, 0); high += room;
      const top = MARGIN.top, bottom = top + main;
      const toY = (value) => bottom - ((this.height(value) - low) / (high - low)) * main;

      const svg = [];
      svg.push(`<clipPath id="clip${this.id}"><rect x="${MARGIN.left}" y="0" width="${this.inner}" height="2000"/></clipPath>`);
      this.verticalAxis(svg, low, high, top, bottom, narrow);

      let y = bottom + HEIGHT.gap;
      const rowsTop = y;
      for (const hit of visible) { hit.row = y; y += HEIGHT.row; }
      const withDifference = this.shown.difference && focus;
      const differenceTop = y + 4;
      if (withDifference) y = differenceTop + HEIGHT.difference;
      const floor = y + (visible.length ? 4 : 0);
      this.horizontalAxis(svg, top, floor, narrow);

      svg.push(`<g clip-path="url(#clip${this.id})">`);
      const toX = (p) => this.toX(p);
      if (this.shown.background)
        svg.push(`<path class="background" d="${this.path(this.background, from, to, toX, toY)}"/>`);
      if (this.humps && this.shown.humps) {
        const [under, over] = this.humps.map((curve) => this.path(curve, from, to, toX, toY));
        svg.push(`<path class="humps" d="${over}L${under.slice(1).split("L").reverse().join("L")}Z"/>`);
      }
      const sparse = (to - from) < this.inner / 4;
      if (this.shown.measured) {
        svg.push(`<path class="measured" d="${this.path(this.counts, from, to, toX, toY)}"/>`);
        if (sparse) {
          let dots = "";
          for (let i = from; i < to; i++) dots += `M${toX(this.p[i]).toFixed(1)} ${toY(this.counts[i]).toFixed(1)}h0`;
          svg.push(`<path class="points" d="${dots}"/>`);
        }
      }
      for (const hit of [...visible].reverse())
        svg.push(`<path class="calculated k${paint(hit.rank)}" d="${this.path(hit.calculated, from, Math.min(to, this.end), toX, toY)}"/>`);
      for (const hit of visible) {
        let marks = "";
        const end = bisect(hit.p, this.view[1]);
        for (let i = bisect(hit.p, this.view[0]); i < end; i++) marks += `M${toX(hit.p[i]).toFixed(1)} ${hit.row}v${HEIGHT.row - 4}`;
        svg.push(`<path class="ticks k${paint(hit.rank)}" d="${marks}"/>`);
      }
      if (withDifference) this.drawDifference(svg, focus, from, Math.min(to, this.end), differenceTop);
      if (this.end < to - 5) {
        const x = toX(this.p[this.end]);
        svg.push(`<path class="limit" d="M${x.toFixed(1)} ${top}V${floor}"/>`);
        svg.push(`<text class="halo" x="${(x + 6).toFixed(1)}" y="${top + 12}">not compared</text>`);
      }
      svg.push(`<path class="cursor" d=""/><rect class="brush" y="${top}" height="${floor - top}" width="0"/></g>`);
      for (const hit of visible)
        svg.push(`<text x="${MARGIN.left - 8}" y="${hit.row + 10}" text-anchor="end" style="fill:var(--c${paint(hit.rank)})">${hit.label}</text>`);

      this.stripTop = floor + HEIGHT.axis;
      this.drawStrip(svg);
      const total = this.stripTop + HEIGHT.strip + 4;
      Object.assign(this, { top, bottom, floor, rowsTop, total, toY });
      const keep = this.stage.querySelector("svg");
      const markup = `<svg viewBox="0 0 ${width} ${total}" width="${width}" height="${total}" role="img" aria-label="Powder pattern">${svg.join("")}</svg>`;
      if (keep) keep.outerHTML = markup; else this.stage.innerHTML = `${markup}<div class="readout" hidden></div>`;
    }

    verticalAxis(svg, low, high, top, bottom, narrow) {
      const scale = (bottom - top) / (high - low);
      const { ticks } = ticksBetween(low, high, narrow ? 4 : 6);
      for (const tick of ticks) {
        const y = (bottom - (tick - low) * scale).toFixed(1);
        svg.push(`<path class="gridline" d="M${MARGIN.left} ${y}h${this.inner}"/>`);
        svg.push(`<text x="${MARGIN.left - 8}" y="${+y + 4}" text-anchor="end">${short(this.root ? tick * tick : tick)}</text>`);
      }
      svg.push(`<path class="frame" d="M${MARGIN.left} ${top}V${bottom}h${this.inner}"/>`);
      const middle = (top + bottom) / 2;
      svg.push(`<text class="title" transform="translate(13 ${middle}) rotate(-90)" text-anchor="middle">${this.root ? "counts, √ scale" : "counts"}</text>`);
    }

    horizontalAxis(svg, top, floor, narrow) {
      const count = this.inner / (narrow ? 50 : 85);
      const marks = [];
      if (this.axis === "d") {
        const dHigh = (2 * Math.PI) / Math.max(this.view[0], 1e-6), dLow = (2 * Math.PI) / this.view[1];
        for (let power = 2; power >= -4; power--)
          for (let m = 99; m >= 10; m--) {
            const d = m * 10 ** (power - 1);
            if (d > dHigh || d < dLow) continue;
            const weight = m % 10 === 0 ? ([10, 20, 50].includes(m) ? 0 : 1) : m % 5 === 0 ? 2 : 3;
            marks.push({ p: (2 * Math.PI) / d, label: `${+d.toPrecision(2)}`, weight });
          }
      } else {
        const { ticks, digits } = ticksBetween(this.view[0], this.view[1], count);
        for (const p of ticks) marks.push({ p, label: p.toFixed(digits), weight: 0 });
      }
      const placed = [];
      for (const mark of marks.sort((a, b) => a.weight - b.weight)) {
        const x = this.toX(mark.p);
        if (placed.some((other) => Math.abs(other - x) < (this.axis === "d" ? 46 : 30))) continue;
        placed.push(x);
        svg.push(`<path class="gridline" d="M${x.toFixed(1)} ${top}V${floor}"/>`);
        svg.push(`<text x="${x.toFixed(1)}" y="${floor + 16}" text-anchor="middle">${mark.label}</text>`);
      }
      svg.push(`<path class="frame" d="M${MARGIN.left} ${floor}h${this.inner}"/>`);
      svg.push(`<text class="title" x="${MARGIN.left + this.inner / 2}" y="${floor + 33}" text-anchor="middle">${TITLES[this.axis]}</text>`);
    }

    drawDifference(svg, hit, from, to, top) {
      const difference = new Float32Array(this.p.length);
      let reach = 1e-9;
      for (let i = from; i < to; i++) {
        difference[i] = this.height(this.counts[i]) - this.height(hit.calculated[i]);
        reach = Math.max(reach, Math.abs(difference[i]) || 0);
      }
      const half = HEIGHT.difference / 2, middle = top + half;
      const toY = (value) => middle - (value / reach) * (half - 4);
      svg.push(`<path class="zero" d="M${MARGIN.left} ${middle}h${this.inner}"/>`);
      svg.push(`<path class="difference" d="${this.path(difference, from, to, (p) => this.toX(p), toY)}"/>`);
      svg.push(`<text class="halo" x="${MARGIN.left + 6}" y="${top + 12}">${this.root ? "√measured − √calculated" : "measured − calculated"}, ${hit.label}</text>`);
    }

    drawStrip(svg) {
      const y = this.stripTop, [first, last] = this.full;
      const toX = (p) => MARGIN.left + ((p - first) / (last - first)) * this.inner;
      if (!this.stripPath || this.stripKey !== `${this.axis}${this.width}`) {
        let high = 0, low = Infinity;
        for (const c of this.counts) { high = Math.max(high, Math.sqrt(c)); low = Math.min(low, Math.sqrt(c)); }
        const toY = (c) => HEIGHT.strip - 2 - ((Math.sqrt(c) - low) / (high - low || 1)) * (HEIGHT.strip - 4);
        this.stripPath = this.path(this.counts, 0, this.p.length, toX, toY);
        this.stripKey = `${this.axis}${this.width}`;
      }
      const x0 = toX(this.view[0]), x1 = toX(this.view[1]);
      svg.push(`<g class="overview-strip"><g transform="translate(0 ${y})"><path class="frame" d="M${MARGIN.left} ${HEIGHT.strip}h${this.inner}"/><path class="overview" d="${this.stripPath}"/></g>`);
      svg.push(`<rect class="window" x="${x0.toFixed(1)}" y="${y}" width="${(x1 - x0).toFixed(1)}" height="${HEIGHT.strip}" rx="3"/></g>`);
    }

    /* --- controls ---------------------------------------------------------------------- */

    buildControls() {
      const legend = this.figure.querySelector(".legend");
      const chip = (label, colour, on, change) => {
        const button = document.createElement("button");
        button.type = "button";
        button.title = label;
        button.innerHTML = `<i style="--colour:${colour}"></i><span>${escape(label)}</span>`;
        button.setAttribute("aria-pressed", on);
        button.addEventListener("click", () => {
          button.setAttribute("aria-pressed", change());
          this.draw();
        });
        legend.append(button);
      };
      const curve = (name, colour) =>
        chip(name, colour, this.shown[name], () => (this.shown[name] = !this.shown[name]));
      curve("measured", "var(--measured)");
      for (const hit of this.hits)
        chip(`${hit.label} ${hit.name}`, `var(--c${paint(hit.rank)})`, hit.shown, () => (hit.shown = !hit.shown));
      if (this.hits.length) curve("difference", "var(--diff)");
      curve("background", "var(--back)");
      if (this.humps) curve("humps", "var(--hump)");

      const choices = (name, options, current, choose) => {
        const group = this.figure.querySelector(`[data-switch="${name}"]`);
        for (const [value, label] of options) {
          const button = document.createElement("button");
          button.type = "button";
          button.textContent = label;
          button.setAttribute("role", "radio");
          button.setAttribute("aria-checked", value === current);
          button.addEventListener("click", () => {
            for (const other of group.children) other.setAttribute("aria-checked", other === button);
            choose(value);
          });
          group.append(button);
        }
      };
      choices("axis", Object.entries(AXES).filter(([key]) => key !== "tt" || this.hasTwoTheta), this.axis,
        (axis) => this.setAxis(axis));
      choices("scale", [[false, "linear"], [true, "√"]], this.root, (root) => { this.root = root; this.draw(); });

      const zoom = this.figure.querySelector('[data-switch="zoom"]');
      for (const [label, title, action] of [
        ["−", "Zoom out", () => this.zoom(2)], ["+", "Zoom in", () => this.zoom(0.5)],
        ["All", "See the whole pattern", () => this.setView(...this.full)],
      ]) {
        const button = document.createElement("button");
        Object.assign(button, { type: "button", textContent: label, title, onclick: action });
        zoom.append(button);
      }
    }

    /* --- mouse, touch and keys --------------------------------------------------------- */

    at(event) {
      const box = this.stage.getBoundingClientRect(), scale = this.width / box.width;
      return { x: (event.clientX - box.left) * scale, y: (event.clientY - box.top) * scale };
    }

    listen() {
      const stage = this.stage, touches = new Map();
      let drag = null, pinch = null;

      stage.addEventListener("pointerdown", (event) => {
        if (event.button !== 0) return;
        const { x, y } = this.at(event);
        touches.set(event.pointerId, x);
        if (touches.size === 2) {
          drag = null;
          const [a, b] = [...touches.values()];
          pinch = { a: this.fromX(a), b: this.fromX(b), distance: Math.abs(a - b) };
          return;
        }
        const strip = y >= this.stripTop - 2;
        const kind = strip ? "strip" : event.pointerType === "touch" ? "pan" : event.shiftKey ? "pan" : "brush";
        drag = { kind, x, view: [...this.view], moved: false };
        if (strip) this.dragStrip(x, drag);
        if (event.pointerType !== "touch") stage.setPointerCapture(event.pointerId);
      });

      stage.addEventListener("pointermove", (event) => {
        const { x, y } = this.at(event);
        if (touches.has(event.pointerId)) touches.set(event.pointerId, x);
        if (pinch && touches.size === 2) {
          const [a, b] = [...touches.values()], span = ((pinch.b - pinch.a) * this.inner) / (b - a || 1);
          const low = pinch.a - ((a - MARGIN.left) / this.inner) * span;
          if (span > 0) this.setView(low, low + span);
          return;
        }
        if (!drag) { this.read(x, y); return; }
        drag.moved ||= Math.abs(x - drag.x) > 4;
        if (drag.kind === "strip") this.dragStrip(x, drag);
        else if (drag.kind === "pan") {
          const shift = ((drag.x - x) / this.inner) * (drag.view[1] - drag.view[0]);
          this.setView(drag.view[0] + shift, drag.view[1] + shift);
        } else {
          const brush = stage.querySelector(".brush");
          brush.setAttribute("x", Math.min(x, drag.x));
          brush.setAttribute("width", Math.abs(x - drag.x));
          this.read(x, y);
        }
      });

      const release = (event) => {
        const { x, y } = this.at(event);
        touches.delete(event.pointerId);
        if (touches.size < 2) pinch = null;
        if (drag?.kind === "brush" && event.type === "pointerup") {
          const width = Math.abs(x - drag.x);
          if (width > 6) this.setView(...[this.fromX(Math.min(x, drag.x)), this.fromX(Math.max(x, drag.x))]);
          else stage.querySelector(".brush").setAttribute("width", 0);
        }
        if (drag && !drag.moved) this.read(x, y);
        drag = null;
      };
      stage.addEventListener("pointerup", release);
      stage.addEventListener("pointercancel", release);
      stage.addEventListener("pointerleave", () => { if (!drag) this.hideReading(); });
      stage.addEventListener("dblclick", () => this.setView(...this.full));
      stage.addEventListener("wheel", (event) => {
        if (event.ctrlKey || event.metaKey) this.zoom(Math.exp(event.deltaY * 0.004), this.fromX(this.at(event).x));
        else if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) this.pan(event.deltaX / this.inner);
        else return;
        event.preventDefault();
      }, { passive: false });
      stage.addEventListener("keydown", (event) => {
        const act = {
          ArrowLeft: () => this.pan(-0.15), ArrowRight: () => this.pan(0.15), "+": () => this.zoom(0.6),
          "=": () => this.zoom(0.6), "-": () => this.zoom(1 / 0.6), 0: () => this.setView(...this.full),
        }[event.key];
        if (act && !event.ctrlKey && !event.metaKey) { act(); event.preventDefault(); }
      });
      new ResizeObserver(() => { if (this.stage.clientWidth !== this.width) this.draw(); }).observe(stage);
    }

    dragStrip(x, drag) {
      const [first, last] = this.full, here = first + ((x - MARGIN.left) / this.inner) * (last - first);
      drag.grip ??= here > this.view[0] && here < this.view[1] ? here - (this.view[0] + this.view[1]) / 2 : 0;
      const half = (this.view[1] - this.view[0]) / 2, centre = here - drag.grip;
      this.setView(centre - half, centre + half);
    }

    hideReading() {
      const readout = this.stage.querySelector(".readout");
      if (readout) readout.hidden = true;
      this.stage.querySelector(".cursor")?.setAttribute("d", "");
    }

    /** Say what stands under the cursor: axis values, counts, and the lines close by. */
    read(x, y) {
      if (x < MARGIN.left || x > MARGIN.left + this.inner || y > this.floor) { this.hideReading(); return; }
      let i = clamp(bisect(this.p, this.fromX(x)), 0, this.p.length - 1);
      if (i > 0 && Math.abs(this.toX(this.p[i - 1]) - x) < Math.abs(this.toX(this.p[i]) - x)) i--;
      const q = this.q(this.x[i]);
      const visible = this.hits.filter((hit) => hit.shown);
      const where = this.hasTwoTheta ? `<b>2θ ${this.x[i].toFixed(3)}°</b>, d` : "<b>d</b>";
      const lines = [`${where} ${((2 * Math.PI) / q).toFixed(4)} Å, Q ${q.toFixed(4)} Å⁻¹`];
      lines.push(`measured <b>${short(this.counts[i])}</b>` +
        visible.slice(0, i < this.end ? 1 : 0).map((hit) => `, calculated <b>${short(hit.calculated[i])}</b>`).join(""));
      for (const hit of visible) {
        const near = [];
        const end = bisect(hit.p, this.fromX(x + 5));
        for (let k = bisect(hit.p, this.fromX(x - 5)); k < end; k++) near.push(k);
        near.sort((a, b) => Math.abs(this.toX(hit.p[a]) - x) - Math.abs(this.toX(hit.p[b]) - x));
        if (!near.length) continue;
        const names = near.slice(0, 4).map((k) => miller([...hit.hkl.slice(3 * k, 3 * k + 3)])).join(" · ");
        lines.push(`<i style="--colour:var(--c${paint(hit.rank)})"></i>${hit.label} <b>${names}</b>${near.length > 4 ? ` and ${near.length - 4} more` : ""}`);
      }
      const readout = this.stage.querySelector(".readout");
      readout.innerHTML = lines.map((line) => `<div>${line}</div>`).join("");
      readout.hidden = false;
      const box = this.stage.getBoundingClientRect(), scale = box.width / this.width, gap = 14;
      const left = x * scale + gap + readout.offsetWidth > box.width ? x * scale - gap - readout.offsetWidth : x * scale + gap;
      readout.style.left = `${clamp(left, 0, Math.max(box.width - readout.offsetWidth, 0))}px`;
      readout.style.top = `${this.top + 4}px`;
      const cx = this.toX(this.p[i]).toFixed(1);
      this.stage.querySelector(".cursor").setAttribute("d", `M${cx} ${this.top}V${this.floor}`);
    }
  }

  /** Draw every plot of a page, or of a part of it. */
  const drawPlots = (root) => {
    for (const figure of root.querySelectorAll("[data-plot]")) new Plot(figure).draw();
  };
  globalThis.braggle = { ...globalThis.braggle, drawPlots };
  drawPlots(document);
})();
