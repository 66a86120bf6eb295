"use strict";
(() => {
  /* Colours as crystallographers know them (after Jmol, Herráez 2006), the rest by hue. */
  const COLOURS = {
    H: "#f4f4f4", C: "#707070", N: "#3050f8", O: "#ee2010", F: "#70d040", Na: "#ab5cf2", Mg: "#5fc400", Al: "#b0989a",
    Si: "#d6b480", P: "#ff8000", S: "#e6c420", Cl: "#1fd01f", K: "#8f40d4", Ca: "#3ddc00", Ti: "#9aa0a6", Cr: "#8a99c7",
    Mn: "#9c7ac7", Fe: "#e06633", Co: "#f090a0", Ni: "#50d050", Cu: "#c88033", Zn: "#7d80b0", As: "#bd80e3", Br: "#a62929",
    Sr: "#00d800", Zr: "#94c0c0", Ag: "#a8a8b4", Sn: "#668080", Sb: "#9e63b5", I: "#940094", Ba: "#00b400", La: "#70b4d4",
    Ce: "#b8b88f", W: "#2194d6", Au: "#e0b820", Hg: "#a0a0c0", Pb: "#575961", Bi: "#9e4fb5", U: "#008fcf",
  };
  const colour = (symbol) => {
    let hue = 0;
    for (const letter of symbol) hue = (hue * 57 + letter.charCodeAt(0)) % 360;
    return COLOURS[symbol] ?? `hsl(${hue} 45% 55%)`;
  };
  const shaded = (symbol) => {
    const probe = document.createElement("canvas").getContext("2d");
    probe.fillStyle = colour(symbol);
    probe.fillRect(0, 0, 1, 1);
    const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
    const mix = (part, to) => `rgb(${[r, g, b].map((v) => Math.round(v + (to - v) * part)).join(" ")})`;
    return { light: mix(0.65, 255), plain: mix(0, 0), dark: mix(0.45, 0) };
  };

  class Viewer {
    constructor(canvas, data) {
      this.canvas = canvas;
      this.data = data;
      this.shades = {};
      for (const [symbol] of this.data.atoms) this.shades[symbol] ??= shaded(symbol);
      this.turn = this.product(this.about(0, -1.22), this.about(2, -0.42));
      this.reach = Math.max(1, ...this.data.corners.map((p) => Math.hypot(...p)));
      const legend = canvas.parentElement.querySelector(".elements");
      for (const symbol of Object.keys(this.shades)) {
        const item = document.createElement("span");
        item.innerHTML = `<i style="--colour:${colour(symbol)}"></i>${symbol}`;
        legend.append(item);
      }
      this.listen();
      new ResizeObserver(() => this.draw()).observe(canvas);
    }

    about(axis, angle) {
      const c = Math.cos(angle), s = Math.sin(angle), [i, j] = [[1, 2], [0, 2], [0, 1]][axis];
      const m = [[1, 0, 0], [0, 1, 0], [0, 0, 1]];
      m[i][i] = c; m[j][j] = c; m[i][j] = -s; m[j][i] = s;
      return m;
    }

    product(a, b) { return a.map((row) => [0, 1, 2].map((k) => row.reduce((sum, v, i) => sum + v * b[i][k], 0))); }

    seen(p) { return this.turn.map((row) => row[0] * p[0] + row[1] * p[1] + row[2] * p[2]); }

    draw() {
      const canvas = this.canvas, ratio = window.devicePixelRatio || 1;
      const width = canvas.clientWidth, height = canvas.clientHeight;
      if (!width) return;
      canvas.width = width * ratio;
      canvas.height = height * ratio;
      const pen = canvas.getContext("2d");
      pen.scale(ratio, ratio);
      const scale = (0.43 * Math.min(width, height)) / this.reach;
      const screen = (p) => {
        const [x, y, z] = this.seen(p);
        return [width / 2 + x * scale, height / 2 - y * scale, z];
      };
      const style = getComputedStyle(document.documentElement);
      const things = [];
      for (const [a, b] of this.data.edges) {
        const from = screen(this.data.corners[a]), to = screen(this.data.corners[b]);
        things.push({ z: Math.min(from[2], to[2]) - 0.01, draw: () => {
          pen.strokeStyle = style.getPropertyValue("--soft");
          pen.globalAlpha = 0.65;
          pen.lineWidth = 1;
          pen.beginPath(); pen.moveTo(from[0], from[1]); pen.lineTo(to[0], to[1]); pen.stroke();
          pen.globalAlpha = 1;
        } });
      }
      const places = this.data.atoms.map(([, x, y, z]) => screen([x, y, z]));
      const stick = Math.max(2, 0.17 * scale);
      for (const [a, b] of this.data.bonds) {
        const from = places[a], to = places[b], middle = [(from[0] + to[0]) / 2, (from[1] + to[1]) / 2];
        for (const [end, owner] of [[from, a], [to, b]])
          things.push({ z: (from[2] + to[2]) / 2, draw: () => {
            pen.lineCap = "round";
            pen.strokeStyle = this.shades[this.data.atoms[owner][0]].dark;
            pen.lineWidth = stick;
            pen.beginPath(); pen.moveTo(end[0], end[1]); pen.lineTo(...middle); pen.stroke();
            pen.strokeStyle = this.shades[this.data.atoms[owner][0]].plain;
            pen.lineWidth = stick * 0.6;
            pen.stroke();
          } });
      }
      this.data.atoms.forEach(([symbol, , , , radius], i) => {
        const [x, y, z] = places[i], r = Math.max(3, 0.42 * radius * scale);
        things.push({ z: z + 0.01, draw: () => {
          const shade = this.shades[symbol];
          const ball = pen.createRadialGradient(x - r * 0.35, y - r * 0.4, r * 0.1, x, y, r);
          ball.addColorStop(0, shade.light);
          ball.addColorStop(0.45, shade.plain);
          ball.addColorStop(1, shade.dark);
          pen.fillStyle = ball;
          pen.beginPath(); pen.arc(x, y, r, 0, 2 * Math.PI); pen.fill();
        } });
      });
      things.sort((a, b) => a.z - b.z);
      for (const thing of things) thing.draw();
      pen.fillStyle = style.getPropertyValue("--ink");
      pen.font = "italic 600 13px system-ui, sans-serif";
      pen.textAlign = "center";
      const [origin, c, b, , a] = this.data.corners;
      for (const [name, end] of [["a", a], ["b", b], ["c", c]]) {
        const tip = end.map((v, k) => v + 0.16 * (v - origin[k]));
        const [x, y] = screen(tip);
        pen.fillText(name, x, y + 4);
      }
    }

    rotate(dx, dy) {
      this.turn = this.product(this.product(this.about(0, dy), this.about(1, -dx)), this.turn);
      this.draw();
    }

    listen() {
      let last = null;
      const canvas = this.canvas;
      canvas.addEventListener("pointerdown", (event) => { last = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); });
      canvas.addEventListener("pointermove", (event) => {
        if (!last) return;
        this.rotate((event.clientX - last[0]) * 0.01, (event.clientY - last[1]) * 0.01);
        last = [event.clientX, event.clientY];
      });
      for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });
      canvas.addEventListener("keydown", (event) => {
        const step = { ArrowLeft: [-0.15, 0], ArrowRight: [0.15, 0], ArrowUp: [0, -0.15], ArrowDown: [0, 0.15] }[event.key];
        if (step) { this.rotate(...step); event.preventDefault(); }
      });
    }
  }

  /** Draw every cell of a page, or of a part of it. */
  const drawCells = (root) => {
    const data = root.querySelector("script.structures");
    if (!data) return;
    const all = JSON.parse(data.textContent);
    for (const canvas of root.querySelectorAll("[data-structure]")) new Viewer(canvas, all[+canvas.dataset.structure]).draw();
  };
  globalThis.braggle = { ...globalThis.braggle, drawCells, CellViewer: Viewer };
  drawCells(document);
})();
