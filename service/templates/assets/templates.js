"use strict";
(() => {
  const LAST = 90, VIEW = [0.42, -0.34], SHOWN_FORMULAS = 5;
  /** Of balls: radius in Å, and the least and the most that it may be on the screen. */
  const SIZE = { metal: [0.62, 3.2, 15], ring: [0.9, 3.2, 15], "non-metal": [0.36, 1.7, 10] };
  const MARGIN = 15;

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const floats = (text) => new Float32Array(bytes(text).buffer);
  const escape = (text) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const formula = (text) => escape(text).replace(/([A-Za-z)\]])(\d+(?:\.\d+)?)/g, "$1<sub>$2</sub>");
  const number = (value) => value.toLocaleString("en").replaceAll(",", "\u2009");
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

  const asked = { kind: "all", order: "members", scale: "linear", text: "" };
  const { classes, templates } = JSON.parse(document.querySelector('script[type="application/json"]').textContent);
  const cards = document.querySelector(".cards");

  /** A canvas ready to be drawn on in CSS pixels. */
  function stage(canvas) {
    const ratio = devicePixelRatio || 1, { clientWidth: width, clientHeight: height } = canvas;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    return { pen, width, height };
  }

  function drawPattern(canvas, one) {
    const { pen, width, height } = stage(canvas), floor = height - 17;
    const sticks = new Uint16Array(bytes(one.sticks).buffer), heights = bytes(one.heights);
    const toX = (degrees) => 1 + (degrees / LAST) * (width - 2);
    pen.font = "10.5px system-ui, sans-serif";
    pen.textAlign = "center";
    for (let degrees = 0; degrees <= LAST; degrees += 10) {
      pen.fillStyle = colour("grid");
      pen.fillRect(toX(degrees), 0, 1, floor);
      if (degrees % 30) continue;
      pen.fillStyle = colour("soft");
      pen.textAlign = degrees === 0 ? "left" : degrees === LAST ? "right" : "center";
      pen.fillText(degrees ? `${degrees}°` : "2θ 0°", toX(degrees), height - 3);
    }
    pen.fillStyle = colour("line");
    pen.fillRect(0, floor, width, 1);
    sticks.forEach((interval, k) => {
      const part = heights[k] / 255, shown = asked.scale === "root" ? Math.sqrt(part) : part;
      const top = interval === one.interval, tall = Math.max(shown * (floor - 3), 0.6);
      pen.fillStyle = colour(top ? "top" : "stick");
      pen.fillRect(toX((interval + 0.5) / 10) - (top ? 1 : 0.6), floor - tall, top ? 2 : 1.2, tall);
    });
  }

  /** Where points are after a turn about the vertical and one about the horizontal. */
  function turned(points, [across, down]) {
    const [c, s, d, t] = [Math.cos(across), Math.sin(across), Math.cos(down), Math.sin(down)];
    const found = new Float32Array(points.length);
    for (let i = 0; i < points.length; i += 3) {
      const [x, y, z] = points.subarray(i, i + 3);
      const depth = -s * x + c * y;
      found[i] = c * x + s * y;
      found[i + 1] = d * z + t * depth;
      found[i + 2] = d * depth - t * z;
    }
    return found;
  }

  /** The scale at which points fill the room that they have as they are first seen. */
  function scaleOf(clouds, width, height) {
    let across = 1, up = 1;
    for (const points of clouds)
      for (let i = 0; i < points.length; i += 3) {
        across = Math.max(across, Math.abs(points[i]));
        up = Math.max(up, Math.abs(points[i + 1]));
      }
    return Math.min((width / 2 - MARGIN) / across, (height / 2 - MARGIN) / up);
  }

  function drawStructure(canvas, one) {
    const { pen, width, height } = stage(canvas);
    const balls = turned(one.points, one.view), lines = turned(one.edges, one.view);
    const scale = (one.scale ??= scaleOf([balls, lines], width, height));
    const place = (points, i) => [width / 2 + points[i] * scale, height / 2 - points[i + 1] * scale];
    pen.lineWidth = one.kind === "local" ? 2.5 : 1;
    pen.strokeStyle = colour(one.kind === "local" ? "back" : "soft");
    pen.globalAlpha = one.kind === "local" ? 1 : 0.7;
    for (let i = 0; i < lines.length; i += 6) {
      pen.beginPath();
      pen.moveTo(...place(lines, i));
      pen.lineTo(...place(lines, i + 3));
      pen.stroke();
    }
    pen.globalAlpha = 1;
    const order = [...one.of.keys()].sort((a, b) => balls[3 * b + 2] - balls[3 * a + 2]);
    const card = colour("card"), depths = order.map((i) => balls[3 * i + 2]);
    const near = depths.at(-1), depth = depths[0] - near || 1;
    for (const i of order) {
      const name = classes[one.of[i]], [x, y] = place(balls, 3 * i);
      const [size, least, most] = SIZE[name], radius = Math.min(Math.max(size * scale, least), most);
      pen.beginPath();
      pen.arc(x, y, radius, 0, 2 * Math.PI);
      pen.fillStyle = card;
      pen.fill();
      // What lies behind pales.
      pen.globalAlpha = 1 - 0.5 * ((balls[3 * i + 2] - near) / depth);
      pen.fillStyle = colour(name);
      pen.fill();
      pen.globalAlpha = 1;
      pen.lineWidth = 1;
      pen.strokeStyle = card;
      pen.stroke();
    }
  }

  function draw(one) {
    drawPattern(one.card.querySelector(".pattern"), one);
    drawStructure(one.card.querySelector(".structure"), one);
  }

  function turnBy(canvas, one) {
    let held = null;
    const turn = (across, down) => {
      one.view = [one.view[0] + across, Math.min(Math.max(one.view[1] + down, -1.57), 1.57)];
      drawStructure(canvas, one);
    };
    canvas.onpointerdown = (event) => { held = [event.clientX, event.clientY]; canvas.setPointerCapture(event.pointerId); };
    canvas.onpointermove = (event) => {
      if (!held) return;
      turn((event.clientX - held[0]) / 90, (event.clientY - held[1]) / 90);
      held = [event.clientX, event.clientY];
    };
    canvas.onpointerup = canvas.onpointercancel = () => { held = null; };
    canvas.onkeydown = (event) => {
      const step = { ArrowLeft: [-0.2, 0], ArrowRight: [0.2, 0], ArrowUp: [0, -0.2], ArrowDown: [0, 0.2] }[event.key];
      if (!step) return;
      event.preventDefault();
      turn(...step);
    };
  }

  function cardOf(one) {
    const card = document.createElement("article");
    card.className = "card template";
    const shown = one.formulas.slice(0, SHOWN_FORMULAS), hidden = one.formulas.length + one.more - shown.length;
    const formulas = shown.map(([text, count]) => `${formula(text)}${count > 1 ? ` <span class="count">×\u2009${count}</span>` : ""}`);
    card.innerHTML =
      `<h2><span class="badge ${one.kind}">${one.kind}</span>${one.where}°<span class="soft">${number(one.members)} members</span></h2>` +
      `<canvas class="structure" tabindex="0" role="img" aria-label="${escape(one.classes)}; drag or use the arrow keys to turn"></canvas>` +
      `<p>${escape(one.classes)}${one.kind === "global" ? ' <span class="soft">in the primitive cell</span>' : ""}</p><canvas class="pattern" role="img" aria-label="Pattern, strongest at ${one.where} degrees"></canvas>` +
      `<p class="formulas">${formulas.join(", ")}${hidden ? ` <span class="soft">and ${number(hidden)} more formulas</span>` : ""}</p>` +
      (one.names.length ? `<p class="soft">${escape(one.names.join(", "))}</p>` : "") +
      `<p class="soft id">${one.id}</p>`;
    return card;
  }

  for (const one of templates) {
    one.points = floats(one.balls);
    one.edges = floats(one.lines);
    one.of = bytes(one.of);
    one.view = [...VIEW];
    one.elements = one.formulas.map(([text]) => new Set(text.match(/[A-Z][a-z]?/g)));
    one.text = [one.id, ...one.names, ...one.formulas.map(([text]) => text)].join("\n");
    one.card = cardOf(one);
    turnBy(one.card.querySelector(".structure"), one);
  }
  const of = new Map(templates.map((one) => [one.card, one]));
  const visible = new Set();
  const redraw = () => { for (const card of visible) draw(of.get(card)); };
  const resized = new ResizeObserver((changes) => {
    for (const { target } of changes) {
      const one = of.get(target);
      if (target.isConnected) { one.scale = undefined; draw(one); }
    }
  });
  const near = new IntersectionObserver((changes) => {
    for (const { target, isIntersecting } of changes) {
      if (isIntersecting) { visible.add(target); resized.observe(target); }
      else { visible.delete(target); resized.unobserve(target); }
    }
  }, { rootMargin: "400px" });
  for (const one of templates) near.observe(one.card);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);

  // What is asked for

  const ORDERS = { members: (a, b) => b.members - a.members, "2θ": (a, b) => a.interval - b.interval };

  /** Element symbols alone ask for a member with all of them; anything else is sought in formulas, names and ids. */
  function answers(one) {
    if (asked.kind !== "all" && one.kind !== asked.kind) return false;
    const words = asked.text.split(/[\s,]+/).filter(Boolean);
    if (words.length && words.every((word) => /^[A-Z][a-z]?$/.test(word)))
      return one.elements.some((elements) => words.every((word) => elements.has(word)));
    return one.text.toLowerCase().includes(asked.text.toLowerCase());
  }

  function show() {
    const found = templates.filter(answers).sort(ORDERS[asked.order]);
    cards.replaceChildren(...found.map((one) => one.card));
    document.querySelector(".nothing").hidden = found.length > 0;
    document.querySelector(".found").textContent =
      found.length === templates.length ? `${number(found.length)} shown` : `${number(found.length)} of ${number(templates.length)} shown`;
  }

  function choices(name, options, act) {
    const group = document.querySelector(`[data-switch="${name}"]`);
    for (const [value, label] of options) {
      const button = document.createElement("button");
      Object.assign(button, { type: "button", textContent: label });
      button.setAttribute("role", "radio");
      button.setAttribute("aria-checked", String(asked[name] === value));
      button.onclick = () => {
        for (const other of group.children) other.setAttribute("aria-checked", String(other === button));
        asked[name] = value;
        act();
      };
      group.append(button);
    }
  }
  choices("kind", [["all", "All"], ["global", "Global"], ["local", "Local"]], show);
  choices("order", [["members", "Most members"], ["2θ", "By 2θ"]], show);
  choices("scale", [["linear", "linear"], ["root", "√"]], redraw);
  const input = document.querySelector('input[type="search"]');
  input.oninput = () => { asked.text = input.value.trim(); show(); };
  show();
})();
