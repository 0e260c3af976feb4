// LandscapeLab: the loss as a map, a point that the reader moves, the walk of a training, first losses.

const RAMP = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8678", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const SHAPES = {
  circle: (r) => `M${-r} 0A${r} ${r} 0 1 0 ${r} 0A${r} ${r} 0 1 0 ${-r} 0Z`,
  square: (r) => `M${-r} ${-r}H${r}V${r}H${-r}Z`,
  triangle: (r) => `M0 ${-1.2 * r}L${1.15 * r} ${0.9 * r}H${-1.15 * r}Z`,
};
const SIGNS = ["circle", "square", "triangle"], GLYPHS = ["\u25cf", "\u25a0", "\u25b2"];
const BOX = { width: 560, height: 430, left: 54, right: 92, top: 12, bottom: 44 };

const rgb = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));
const STOPS = RAMP.map(rgb);
function colour(t) {
  const at = clamp(t, 0, 1) * (STOPS.length - 1), i = Math.min(Math.floor(at), STOPS.length - 2), f = at - i;
  return STOPS[i].map((c, k) => Math.round(c + f * (STOPS[i + 1][k] - c)));
}

// What is drawn of the values: range, colours' scale, contour levels. The highest twelfth is one colour, else far corners hide the rest.
function scaleOf(values, { log, share, guessing }) {
  const known = values.filter(Number.isFinite).sort((a, b) => a - b);
  if (!known.length) return null;
  if (share) return { low: 0, high: 1, to: (v) => v, back: (t) => t, levels: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9], say: (v) => percent(v), capped: false };
  const low = Math.max(known[0], 1e-6), top = known.at(-1);
  const high = Math.max(Math.min(top, Math.max(known[Math.floor(0.92 * (known.length - 1))], 1.3 * guessing)), low * 1.001);
  const f = log ? Math.log : (v) => v, g = log ? Math.exp : (v) => v;
  let levels;
  if (log && high / low > 1.5) {
    const count = 9, steps = Array.from({ length: count }, (_, i) => g(f(low) + ((i + 0.7) / (count + 0.4)) * (f(high) - f(low))));
    levels = [...new Set(steps.map((v) => Number(v.toPrecision(2))))].filter((v) => v > low && v < high);
  } else levels = ticks(low, high, 8).filter((v) => v > low && v < high);
  return { low, high, to: (v) => (f(v) - f(low)) / (f(high) - f(low)), back: (t) => g(f(low) + t * (f(high) - f(low))), levels, say: (v) => round(v, 2), capped: top > high * 1.001 };
}

// Marching squares: the segments of one contour line, in grid coordinates [column, row].
function contour(values, n, level) {
  const out = [];
  for (let r = 0; r + 1 < n; r++) for (let c = 0; c + 1 < n; c++) {
    const corner = [[c, r], [c + 1, r], [c + 1, r + 1], [c, r + 1]].map(([x, y]) => ({ x, y, v: values[y * n + x] }));
    if (corner.some(({ v }) => !Number.isFinite(v))) continue;
    const cut = [];
    for (let k = 0; k < 4; k++) {
      const a = corner[k], b = corner[(k + 1) % 4];
      if (a.v < level !== b.v < level) {
        const t = (level - a.v) / (b.v - a.v);
        cut.push([a.x + t * (b.x - a.x), a.y + t * (b.y - a.y)]);
      }
    }
    for (let k = 0; k + 1 < cut.length; k += 2) out.push([cut[k], cut[k + 1]]);
  }
  return out;
}

// The values as a smooth picture, 5 pixels from point to point; row 0 is at the bottom.
function paint(values, n, scale) {
  const zoom = 5, side = (n - 1) * zoom + 1, canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const pen = canvas.getContext("2d"), image = pen.createImageData(side, side);
  for (let j = 0; j < side; j++) for (let i = 0; i < side; i++) {
    const c = Math.min(Math.floor(i / zoom), n - 2), r = Math.min(Math.floor(j / zoom), n - 2), u = i / zoom - c, v = j / zoom - r;
    const at = (x, y) => scale.to(clamp(values[y * n + x], scale.low, scale.high));
    const t = (1 - v) * ((1 - u) * at(c, r) + u * at(c + 1, r)) + v * ((1 - u) * at(c, r + 1) + u * at(c + 1, r + 1));
    const [red, green, blue] = colour(t), k = 4 * ((side - 1 - j) * side + i);
    image.data[k] = red; image.data[k + 1] = green; image.data[k + 2] = blue; image.data[k + 3] = Number.isFinite(t) ? 255 : 0;
  }
  pen.putImageData(image, 0, 0);
  return canvas.toDataURL();
}

// One row of bars for each kind of start, over one axis of nats, with the loss of guessing marked.
function startsChart() {
  const width = 440, height = 236, left = 12, right = 14, band = 62, top = 18;
  const picture = h("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "chart", "data-testid": "starts-chart", "aria-label": "no first losses yet" });
  const draw = (shown) => {
    const kinds = Object.entries(shown.losses), all = kinds.flatMap(([, found]) => found).filter((v) => v !== null);
    if (!all.length) return;
    const low = Math.min(...all, shown.guessing) * 0.96, high = Math.max(...all, shown.guessing) * 1.04;
    const px = (v) => left + ((v - low) / (high - low)) * (width - left - right), bins = 44, parts = [], said = [];
    const bottom = top + band * kinds.length;
    for (const t of ticks(low, high, 6)) parts.push(h("line", { x1: px(t), x2: px(t), y1: top, y2: bottom, class: "grid" }), h("text", { x: px(t), y: bottom + 15, class: "tick middle" }, round(t)));
    kinds.forEach(([kind, found], k) => {
      const counts = new Array(bins).fill(0), base = top + band * (k + 1) - 6, values = found.filter((v) => v !== null);
      for (const v of values) counts[clamp(Math.floor(((v - low) / (high - low)) * bins), 0, bins - 1)]++;
      const most = Math.max(...counts, 1), step = (width - left - right) / bins;
      counts.forEach((count, i) => { if (count) parts.push(h("rect", { x: left + i * step, width: Math.max(step - 1, 2), y: base - (30 * count) / most, height: (30 * count) / most, fill: COLOURS[k % 3] })); });
      parts.push(h("line", { x1: left, x2: width - right, y1: base, y2: base, class: "grid" }));
      const mean = values.reduce((a, b) => a + b, 0) / Math.max(values.length, 1);
      const words = values.length ? `${kind}: mean ${mean.toFixed(2)}, ${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)} nats` : `${kind}: none yet`;
      said.push(`${words} (${values.length} seeds)`);
      parts.push(h("text", { x: left, y: base - 38, class: "name", style: `fill:${COLOURS[k % 3]}` }, words));
    });
    parts.push(h("line", { x1: px(shown.guessing), x2: px(shown.guessing), y1: top - 4, y2: bottom, stroke: "var(--c-ink)", "stroke-dasharray": "2 3" }));
    parts.push(h("text", { x: clamp(px(shown.guessing), 70, width - 70), y: 11, class: "middle" }, `guessing: ${shown.guessing.toFixed(2)}`));
    parts.push(h("text", { x: left, y: height - 2, class: "axis" }, "loss before the first step (nats); height: how many seeds"));
    picture.replaceChildren(...parts);
    set(picture, { "aria-label": `First losses. Guessing: ${shown.guessing.toFixed(2)} nats. ${said.join("; ")}` });
  };
  return { node: h("div", { class: "chartbox" }, picture), draw };
}

export default lab("Loss landscape", ({ model, live, root, on, send, undo }) => {
  const { width, height, left, right, top, bottom } = BOX, inner = { w: width - left - right, h: height - top - bottom };
  const shown = () => live.get("shown"), plane = () => shown().plane, space = (x) => x.replaceAll("_", " ");
  const px = (x) => left + ((x - plane().reach[0][0]) / (plane().reach[0][1] - plane().reach[0][0])) * inner.w;
  const py = (y) => height - bottom - ((y - plane().reach[1][0]) / (plane().reach[1][1] - plane().reach[1][0])) * inner.h;
  let log = true, what = "loss";

  // The map: layers that are drawn anew, and the point, which stays so that it keeps the focus.
  const ground = h("image", { preserveAspectRatio: "none", "aria-hidden": "true" }), lines = h("g", { "aria-hidden": "true" });
  const marks = h("g", { "aria-hidden": "true" }), trail = h("g", { "aria-hidden": "true" }), axes = h("g", { "aria-hidden": "true" }), legend = h("g", { "aria-hidden": "true" });
  const point = h("g", { class: "ls-point", tabindex: 0, role: "slider", "aria-label": "Point on the map; arrow keys move it, with Shift farther", "aria-valuenow": 0, "aria-valuemin": 0, "aria-valuemax": 1, "data-testid": "point" },
    h("circle", { r: 16, fill: "transparent" }), h("circle", { r: 9, fill: "none", stroke: "#111", "stroke-width": 5.5, class: "ls-ring" }), h("circle", { r: 9, fill: "none", stroke: "#fff", "stroke-width": 2.4 }),
    h("path", { d: "M-15 0H-4M4 0H15M0 -15V-4M0 4V15", stroke: "#111", "stroke-width": 3.4 }), h("path", { d: "M-15 0H-4M4 0H15M0 -15V-4M0 4V15", stroke: "#fff", "stroke-width": 1.4 }));
  const inside = h("svg", { x: left, y: top, width: inner.w, height: inner.h, viewBox: `${left} ${top} ${inner.w} ${inner.h}`, "aria-hidden": "true" },
    h("rect", { x: left, y: top, width: inner.w, height: inner.h, class: "ls-empty" }), ground, lines, trail, marks);
  const chart = h("svg", { viewBox: `0 0 ${width} ${height}`, role: "group", class: "chart ls-map", "data-testid": "map-picture", "aria-label": "map of the loss" },
    axes, inside, h("rect", { x: left, y: top, width: inner.w, height: inner.h, class: "ls-frame" }), legend, point);

  const unit = h("p", { class: "soft" });

  function drawFrame() {
    if (!plane()) return;
    const [xs, ys] = plane().reach, parts = [];
    for (const t of ticks(...xs, 6)) parts.push(h("line", { x1: px(t), x2: px(t), y1: height - bottom, y2: height - bottom + 5, stroke: "var(--c-line)" }), h("text", { x: px(t), y: height - bottom + 17, class: "tick middle" }, round(t)));
    for (const t of ticks(...ys, 6)) parts.push(h("line", { x1: left - 5, x2: left, y1: py(t), y2: py(t), stroke: "var(--c-line)" }), h("text", { x: left - 8, y: py(t) + 4, class: "tick end" }, round(t)));
    parts.push(h("text", { x: left + inner.w / 2, y: height - 4, class: "middle" }, "x"), h("text", { x: 8, y: top + inner.h / 2, class: "middle" }, "y"));
    set(unit, { text: `x across, y up: ${plane().unit}.` });
    axes.replaceChildren(...parts);
    marks.replaceChildren(...plane().marks.flatMap((mark, i) => {
      const x = px(mark.x), y = py(mark.y), flip = x > left + inner.w * 0.55;
      return [
        h("path", { d: SHAPES[SIGNS[i]](6.5), transform: `translate(${x} ${y})`, fill: "#fff", stroke: "#111", "stroke-width": 2 }),
        h("text", { x: x + (flip ? -12 : 12), y: y + (i ? -9 : 17), class: `ls-halo ${flip ? "end" : ""}` }, `${mark.name} ${mark.loss === null ? "" : mark.loss.toFixed(2)}`),
      ];
    }));
  }

  function drawMap() {
    const map = shown().map;
    if (!map || !plane()) return;
    const n = map.size, all = floats(live.get("curve"), n * n);
    if (all.length < 2) return;
    const values = all[what === "loss" ? 0 : 1], scale = scaleOf(values, { log, share: what !== "loss", guessing: plane().guessing });
    if (!scale) {
      set(ground, { href: null });
      lines.replaceChildren();
      legend.replaceChildren(h("text", { x: width - right + 12, y: top + 12 }, "no map yet"));
      set(chart, { "aria-label": "map of the loss: no point worked out yet", "data-done": 0 });
      return;
    }
    const half = 0.1 / ((n - 1) + 0.2), w = inner.w / (1 - 2 * half), e = inner.h / (1 - 2 * half);
    set(ground, { href: paint(values, n, scale), x: left - half * w, y: top - half * e, width: w, height: e });
    const at = ([c, r]) => [left + (c / (n - 1)) * inner.w, height - bottom - (r / (n - 1)) * inner.h];
    const parts = [], labels = [], avoid = plane().marks.map((mark) => [px(mark.x), py(mark.y)]);
    for (const level of scale.levels) {
      const segments = contour(values, n, level).map((pair) => pair.map(at));
      if (!segments.length) continue;
      const d = segments.map(([a, b]) => `M${a[0].toFixed(1)} ${a[1].toFixed(1)}L${b[0].toFixed(1)} ${b[1].toFixed(1)}`).join("");
      parts.push(h("path", { d, fill: "none", stroke: scale.to(level) < 0.55 ? "#fff" : "#222", "stroke-width": 1.1, opacity: 0.9 }));
      let best = null;  // where its value is written: as far as can be from the marks and from other values
      for (let k = 0; k < segments.length; k += Math.max(1, Math.floor(segments.length / 40))) {
        const [x, y] = segments[k][0];
        if (x < left + 16 || x > width - right - 16 || y < top + 10 || y > height - bottom - 8) continue;
        const room = Math.min(60, ...avoid.map(([a, b]) => Math.hypot((a - x) * 0.7, b - y)));
        if (!best || room > best.room) best = { room, x, y };
      }
      if (best && best.room > 15) {
        avoid.push([best.x, best.y]);
        labels.push(h("text", { x: best.x, y: best.y + 3.5, class: "ls-value" }, scale.say(level)));
      }
    }
    lines.replaceChildren(...parts, ...labels);
    // The legend: colours with the values of the contour lines, and the unit.
    const x = width - right + 14, y0 = top + 36, tall = inner.h - 42, bands = 40, bar = [];
    for (let k = 0; k < bands; k++) bar.push(h("rect", { x, y: y0 + tall - ((k + 1) * tall) / bands, width: 16, height: tall / bands + 0.5, fill: `rgb(${colour((k + 0.5) / bands).join(" ")})` }));
    const marked = [scale.low, ...scale.levels.filter((v) => scale.to(v) > 0.045 && scale.to(v) < 0.955), scale.high];
    for (const v of marked) bar.push(h("line", { x1: x, x2: x + 20, y1: y0 + tall - scale.to(v) * tall, y2: y0 + tall - scale.to(v) * tall, stroke: "var(--c-ink)", "stroke-width": 1 }), h("text", { x: x + 23, y: y0 + tall - scale.to(v) * tall + 4 }, `${v === scale.high && scale.capped ? "\u2265" : ""}${scale.say(v)}`));
    bar.push(h("text", { x: x - 2, y: top + 8, class: "name" }, what === "loss" ? "loss" : "accuracy"), h("text", { x: x - 2, y: top + 22 }, what === "loss" ? `nats${log ? ", log" : ""}` : "per cent"));
    legend.replaceChildren(...bar);
    const told = plane().marks.map((mark) => `${mark.name} ${mark.loss === null ? "too large" : mark.loss.toFixed(2)}`).join(", ");
    set(chart, { "aria-label": `Map of the ${what}, ${map.done} of ${map.total} points, from ${scale.say(scale.low)} to ${scale.say(scale.high)}; loss at the networks: ${told}`, "data-done": map.done });
  }

  function drawWalk() {
    const walk = shown().walk, points = (walk?.points ?? []).filter(([, x, y]) => x !== null && y !== null);
    if (!plane() || !walk) return;
    const path = points.map(([, x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" "), parts = [];
    if (points.length) {
      parts.push(h("polyline", { points: path, fill: "none", stroke: "#111", "stroke-width": 5, "stroke-linejoin": "round" }), h("polyline", { points: path, fill: "none", stroke: "#ff9d5c", "stroke-width": 2.6, "stroke-linejoin": "round" }));
      parts.push(...points.map(([, x, y]) => h("circle", { cx: px(x), cy: py(y), r: 2.3, fill: "#fff", stroke: "#111", "stroke-width": 0.8 })));
      const [step, x, y] = points.at(-1);
      const near = plane().marks.some((mark) => Math.hypot(px(mark.x) - px(x), py(mark.y) - py(y)) < 34);  // there stands a name
      if (points.length > 1) parts.push(h("text", { x: clamp(px(x), left + 40, width - right - 66) + 10, y: clamp(py(y), top + 20, height - bottom - 42) + (near ? 36 : 18), class: "ls-halo" }, `step ${step}`));
    }
    trail.replaceChildren(...parts);
    const last = points.at(-1), [fx, fy] = plane().reach;
    const away = last && (last[1] < fx[0] || last[1] > fx[1] || last[2] < fy[0] || last[2] > fy[1]);
    set(walked, { text: points.length < 2 ? "No walk yet. A plane shows 2 directions of hundreds of thousands: how much of the walk lies in it is said here."
      : `${points.at(-1)[0]} steps. ${percent(walk.share)} of the distance from its start lies in this plane; it ends ${walk.off < 0.01 * Math.hypot(points[0][1] - points.at(-1)[1], points[0][2] - points.at(-1)[2]) || walk.off < 1e-3 ? "on the plane" : `${round(walk.off)} off the plane (L2 norm)`}.${away ? " Its end lies beyond the map." : ""}` });
    set(looks.node, { hidden: !walk.looks.length });
    looks.draw({ series: [{ name: "val loss", points: walk.looks.map(([s, l]) => [s, l]) }], x: { label: "step", min: 0 }, y: { label: "loss (nats)", min: 0 },
      alt: walk.looks.length ? `loss on val after step ${walk.looks.at(-1)[0]}: ${round(walk.looks.at(-1)[1] ?? Infinity)} nats, accuracy ${percent(walk.looks.at(-1)[2])}` : "no training yet" });
    sayTrain();
  }

  // A training that was stopped goes on as long as nothing that it was asked for is another.
  function sayTrain() {
    const asked = shown().walk?.asked ?? {};
    const same = asked.from === model.get("walk_from") && ["epochs", "lr"].every((name) => asked[name] === model.get(name))
      && ["x", "y"].every((name) => !(name in asked) || asked[name] === model.get(name));
    set(train, { text: live.get("state") === "stopped" && shown().walk?.open && same ? "Go on training" : "Train from here" });
  }

  // The point: dragged, clicked, moved by arrow keys, or typed.
  const clampTo = (x, y) => [clamp(x, ...plane().reach[0]), clamp(y, ...plane().reach[1])].map((v) => Number(v.toPrecision(6)));
  let going = 0, wanted = null;
  function go(x, y) {
    wanted = clampTo(x, y);
    place(...wanted);
    if (going) return;
    const flush = () => {
      going = 0;
      if (!wanted) return;
      const [a, b] = wanted;
      wanted = null;
      put(model, { x: a, y: b });
    };
    going = setTimeout(flush, 40);
  }
  function place(x, y) {
    if (!plane()) return;
    set(point, { transform: `translate(${px(x).toFixed(2)} ${py(y).toFixed(2)})` });
    const here = shown().point, fresh = here && Math.abs(here.x - x) + Math.abs(here.y - y) < 1e-9;
    set(point, { "aria-valuenow": round(x, 4), "aria-valuemin": round(plane().reach[0][0], 4), "aria-valuemax": round(plane().reach[0][1], 4),
      "aria-valuetext": `x ${round(x)}, y ${round(y)}${fresh && here.loss !== null ? `: loss ${here.loss.toFixed(2)} nats, ${percent(here.accuracy)} right` : ""}` });
  }
  const fromEvent = (event) => {
    const box = chart.getBoundingClientRect(), scale = width / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale, [xs, ys] = plane().reach;
    return [xs[0] + ((x - left) / inner.w) * (xs[1] - xs[0]), ys[0] + ((height - bottom - y) / inner.h) * (ys[1] - ys[0])];
  };
  let dragged = false;
  const within = (event) => {
    const box = chart.getBoundingClientRect(), scale = width / box.width, x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    return x >= left - 6 && x <= width - right + 6 && y >= top - 6 && y <= height - bottom + 6;
  };
  chart.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || !plane() || !within(event)) return;
    dragged = true;
    chart.setPointerCapture(event.pointerId);
    point.focus({ preventScroll: true, focusVisible: false });
    go(...fromEvent(event));
    event.preventDefault();
  });
  chart.addEventListener("pointermove", (event) => dragged && go(...fromEvent(event)));
  for (const end of ["pointerup", "pointercancel"]) chart.addEventListener(end, () => { dragged = false; });
  point.addEventListener("keydown", (event) => {
    const move = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!move || !plane()) return;
    event.preventDefault();
    event.stopPropagation();
    const far = event.shiftKey ? 6 : 1, [xs, ys] = plane().reach, [x, y] = wanted ?? [model.get("x"), model.get("y")];
    go(x + (move[0] * far * (xs[1] - xs[0])) / 60, y + (move[1] * far * (ys[1] - ys[0])) / 60);
  });

  // What is read at the point.
  const loss = h("span", { class: "ls-big", "data-testid": "point-loss" }), right_ = h("span", { class: "ls-big", "data-testid": "point-accuracy" });
  const on_ = h("div", { class: "soft", "data-testid": "point-count" }), cards = [];
  const pictures = h("div", { class: "ls-pictures", "data-testid": "predictions" });
  on(model, "change:pictures", () => {
    cards.length = 0;
    for (const { src, truth } of model.get("pictures")) {
      const said = h("figcaption");
      cards.push({ said, truth, node: h("figure", {}, h("img", { src, alt: `a ${truth}` }), said) });
    }
    pictures.replaceChildren(...cards.map((card) => card.node));
  });
  function drawPoint() {
    place(...(wanted ?? [model.get("x"), model.get("y")]));
    const here = shown().point;
    if (!here || !plane()) return;
    set(loss, { text: here.loss === null ? "too large" : `${here.loss.toFixed(here.loss < 10 ? 3 : 1)} nats` });
    set(right_, { text: percent(here.accuracy) });
    set(on_, { text: here.count < here.of ? `on ${here.count} of the ${here.of} ${plane().split} images, for a quick answer` : `on ${here.of} ${plane().split} images; guessing: ${plane().guessing.toFixed(2)} nats` });
    cards.forEach((card, i) => {
      if (!here.said[i]) return;
      const name = plane().classes[here.said[i][0]], hit = name === card.truth;
      set(card.node, { class: hit ? "ls-right" : "ls-wrong" });
      set(card.said, { text: `${hit ? "\u2713" : "\u2717"}\u00a0${name} ${percent(here.said[i][1]).replace(" ", "\u00a0")}${hit ? "" : `, is ${card.truth}`}` });
    });
  }
  const jumps = h("div", { class: "row", role: "group", "aria-label": "go to a network" });
  function drawJumps() {
    const names = (plane()?.marks ?? []).map((mark) => mark.name).join("|");
    if (jumps.dataset.names === names) return;
    jumps.dataset.names = names;
    jumps.replaceChildren(...(plane()?.marks ?? []).map((mark, i) => button(`${GLYPHS[i]} ${mark.name}`, () => { const now = plane().marks[i]; go(now.x, now.y); }, { "data-testid": `go-${i}`, "aria-label": `go to ${mark.name}` })));
  }

  // Controls.
  const views = [["loss", true, "loss, log colours"], ["loss", false, "loss, linear colours"], ["accuracy", false, "accuracy"]].map(([kind, logarithm, words]) => {
    const press = button(words, () => { what = kind; log = logarithm; show(); drawMap(); }, { "data-testid": `view-${kind}${logarithm ? "-log" : ""}` });
    return { press, kind, logarithm };
  });
  const show = () => views.forEach(({ press, kind, logarithm }) => set(press, { "aria-pressed": String(what === kind && log === logarithm) || (kind === "accuracy" && what === kind ? "true" : "false") }));
  show();
  const work = button("Work out the map", () => send("map"), { class: "primary", "data-testid": "map" });
  const stop = button("Stop", () => send("stop"), { "data-testid": "stop" });
  const train = button("Train from here", () => send("train"), { "data-testid": "train" });
  const halt = button("Stop", () => send("stop"), { "data-testid": "stop-training" });
  const forget = button("Forget the walk", () => send("forget"), { class: "quiet", "data-testid": "forget" });
  const first = button("Work out first losses", () => send("first_losses"), { "data-testid": "first-losses" });
  const walked = h("p", { class: "soft", "data-testid": "walked" });
  const looks = lineChart({ height: 150, testid: "walk-chart" }), starts = startsChart();
  function drawButtons() {
    const busy = WORKING.includes(live.get("state")), map = shown().map, walk = shown().walk;
    set(work, { disabled: busy || !map || map.done === map.total, text: map && map.done === map.total ? "The map is complete" : map && map.done ? "Go on with the map" : "Work out the map" });
    for (const press of [stop, halt]) set(press, { disabled: !busy });
    for (const press of [train, first]) set(press, { disabled: busy });
    set(forget, { disabled: busy || !(walk?.points ?? []).length });
  }

  const around = field(on, model, "around", "around", { kind: "select", choices: () => model.get("names").map((name) => [name, name]) });
  const seed = field(on, model, "seed", "seed", { kind: "number", min: 0, max: 999999, step: 1 });
  on(model, "change:kind", () => { const free = model.get("kind") === "random directions"; set(around, { hidden: !free }); set(seed, { hidden: !free }); });
  root.append(
    h("div", { class: "row ls-top" },
      field(on, model, "kind", "plane through", { kind: "select", choices: () => model.get("kinds").map((kind) => [kind, kind]) }), around, seed,
      field(on, model, "norm", "BatchNorm's statistics", { kind: "select", choices: [["interpolate", "mixed from the networks"], ["measure", "measured at each point"]] }),
      field(on, model, "size", "grid", { kind: "select", choices: [16, 31, 61].map((n) => [n, `${n} x ${n}`]) })),
    h("div", { class: "row" }, work, stop, h("span", { class: "row", role: "group", "aria-label": "what the map shows" }, views.map(({ press }) => press))),
    statusBar(on, live),
    h("div", { class: "ls-main" }, h("div", {}, chart, unit),
      h("div", { class: "ls-group" },
        h("h4", {}, "At the point"),
        h("div", { class: "ls-pair" }, h("div", {}, h("div", { class: "soft" }, "loss"), loss), h("div", {}, h("div", { class: "soft" }, "right"), right_)), on_,
        h("div", { class: "row" }, field(on, model, "x", "x", { kind: "number", step: "any", save: (x) => go(x, model.get("y")) }), field(on, model, "y", "y", { kind: "number", step: "any", save: (y) => go(model.get("x"), y) })),
        jumps, h("div", { class: "soft" }, "What the network at this point says:"), pictures)),
    h("div", { class: "columns" },
      h("div", {}, h("h4", {}, "The walk of a training"),
        h("div", { class: "row" }, field(on, model, "walk_from", "start at", { kind: "select", choices: () => [...model.get("names"), "the point"].map((name) => [name, name]) }),
          field(on, model, "epochs", "epochs", { kind: "number", min: 1, max: 50, step: 1 }), field(on, model, "lr", "rate", { kind: "number", min: 0.000001, max: 1, step: "any" })),
        h("div", { class: "row buttons", role: "group", "aria-label": "training" }, train, halt, forget), walked, looks.node),
      h("div", {}, h("h4", {}, "Where training starts"), h("div", { class: "row" }, first),
        h("p", { class: "soft" }, "The loss before the first step, for 20 seeds. A new head knows nothing yet, on a transferred body too."), starts.node)));

  on(live, "change:shown change:curve", () => {
    drawFrame(); drawMap(); drawWalk(); drawPoint(); drawJumps(); drawButtons();
    set(starts.node, { hidden: !shown().starts });
    if (shown().starts) starts.draw(shown().starts);
  });
  on(live, "change:state", () => { drawButtons(); drawWalk(); });
  on(model, "change:walk_from change:epochs change:lr change:x change:y", sayTrain);
  on(model, "change:x change:y", () => place(...(wanted ?? [model.get("x"), model.get("y")])));
  undo.push(() => clearTimeout(going));
});
