// ScheduleLab: the rates of a recipe as a strip for each block, and as lines. What is drawn comes from the kernel at each
// turn of a knob; where the reader points, which lines are shown and the scale are the page's own.

const ROW = 26, HEAD = 20, LINES = 170;
const RAMP = { light: [[222, 236, 247], [6, 58, 104]], dark: [[30, 54, 76], [158, 214, 255]] };
let strips = 0;

// 0.00034, 0.01, 3e-6
function sayRate(rate) {
  if (!rate) return "0";
  return rate < 1e-5 ? rate.toExponential(1).replace(".0e", "e") : Number(rate.toPrecision(2)).toString();
}

// A range over powers of ten, for a learning rate: the kernel has the exact value, the handle its place.
function logField(on, model, trait, label, low, high) {
  const id = `course-${trait}-${++fields}`, output = h("output", { for: id });
  let timer = 0;
  const value = () => Number((10 ** Number(control.value)).toPrecision(2));
  const tell = (rate) => { set(output, { text: sayRate(rate) }); set(control, { "aria-valuetext": sayRate(rate) }); };
  const control = h("input", { id, type: "range", min: low, max: high, step: 0.05, "data-testid": trait, oninput: () => {
    tell(value());
    clearTimeout(timer);
    timer = setTimeout(() => { timer = 0; put(model, { [trait]: value() }); }, 40);
  } });
  on(model, `change:${trait}`, () => { if (!timer) { control.value = Math.log10(model.get(trait)); tell(model.get(trait)); } });
  return h("div", { class: "field range" }, h("label", { for: id }, label), control, output);
}

function textField(on, model, trait, label) {
  const id = `course-${trait}-${++fields}`;
  const take = () => { if (control.value !== model.get(trait)) put(model, { [trait]: control.value }); };
  // Enter is taken here: in a notebook it does not reach the browser's own "change".
  const control = h("input", { id, type: "text", size: 12, "data-testid": trait, onchange: take, onkeydown: (event) => { if (event.key === "Enter") take(); } });
  on(model, `change:${trait}`, () => { control.value = model.get(trait); });
  return h("div", { class: "field" }, h("label", { for: id }, label), control);
}

// The choices of a list, and what was set from a cell if it is none of them.
const among = (model, trait, choices, say) => () => {
  const value = model.get(trait);
  return choices.some(([known]) => known === value) ? choices : [...choices, [value, say(value)]];
};

function stripChart(on, live) {
  const number = ++strips, hatch = `schedule-hatch-${number}`, told = `schedule-told-${number}`;
  const labels = h("div", { class: "blocks", role: "group", "aria-label": "blocks whose line is drawn" });
  const canvas = h("canvas", { "aria-hidden": "true" }), over = h("svg", { "aria-hidden": "true" });
  const strip = h("div", {
    class: "strip", tabindex: 0, role: "application", "data-testid": "strip", "aria-describedby": told,
    "aria-label": "learning rates: left and right go from step to step, up and down from block to block, page up and page down from stage to stage",
  }, canvas, over);
  const lines = h("svg", { class: "lines", role: "img", "data-testid": "lines" });
  const readout = h("div", { id: told, class: "told", role: "status", "data-testid": "readout" }, "Point at the strip, or move through it with the arrow keys.");
  const scales = ["linear", "log"].map((name) => button(name, () => { scale = name; draw(); }, { "data-testid": name }));
  const low = h("span", {}), high = h("span", {}), ramp = h("canvas", { width: 60, height: 1, class: "ramp", "aria-hidden": "true" });
  let shown = null, points = [], chosen = null, scale = "linear", at = null, buttons = [];

  const dark = () => document.body.dataset.jpThemeLight === "false";
  const top = () => Math.max(...shown.stages.map((stage) => Math.max(...stage.base)));
  const floor = () => {  // of the logarithmic scale: a decade under the lowest top of a block, at most five under the highest
    const tops = shown.stages.flatMap((stage) => stage.base.filter((base) => base > 0));
    return Math.max(10 ** Math.floor(Math.log10(Math.min(...tops)) - 1), top() * 1e-5);
  };
  const depth = (rate) => (scale === "linear" ? Math.sqrt(rate / top()) : clamp(Math.log(rate / floor()) / Math.log(top() / floor()), 0.04, 1));
  const style = (block) => {
    const k = shown.blocks.length - 1 - block;
    return { colour: COLOURS[k % COLOURS.length], dash: DASHES[(k + Math.floor(k / COLOURS.length)) % DASHES.length] };
  };
  const stageOf = (step) => shown.stages.findLast((stage) => stage.first <= step);

  function paint() {
    const [from, to] = RAMP[dark() ? "dark" : "light"], rows = shown.blocks.length;
    const mix = (t) => from.map((a, i) => Math.round(a + (to[i] - a) * t));
    canvas.width = Math.max(1, Math.min(points.length, 1200));
    canvas.height = rows;
    const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, rows);
    for (let x = 0; x < canvas.width; x++) {
      const [step, factor] = points[Math.floor((x * points.length) / canvas.width)], { base } = stageOf(step);
      for (let block = 0; block < rows; block++) {
        if (!base[block]) continue;
        image.data.set([...mix(depth(base[block] * factor)), 255], 4 * ((rows - 1 - block) * canvas.width + x));
      }
    }
    context.putImageData(image, 0, 0);
    const bar = ramp.getContext("2d");
    for (let x = 0; x < 60; x++) { bar.fillStyle = `rgb(${mix(x / 59)})`; bar.fillRect(x, 0, 1, 1); }
    set(low, { text: scale === "linear" ? "0" : sayRate(floor()) });
    set(high, { text: sayRate(top()) });
  }

  function label() {
    if (chosen === null) {
      const all = shown.blocks.map((_, i) => i);
      chosen = new Set(all.length <= 6 ? all : [0, Math.floor(all.length / 2), all.length - 1]);
    }
    if (buttons.length !== shown.blocks.length) {
      buttons = shown.blocks.map((name, block) => button(name, () => {
        if (chosen.has(block)) chosen.delete(block); else chosen.add(block);
        draw();
      }, { "data-testid": `block-${block}`, title: `${name}: draw its line or leave it out` }));
      buttons.forEach((one, block) => one.prepend(h("svg", { viewBox: "0 0 22 8", "aria-hidden": "true" },
        h("line", { x1: 0, x2: 22, y1: 4, y2: 4, "stroke-width": 2.5, stroke: style(block).colour, "stroke-dasharray": style(block).dash || null }))));
      labels.replaceChildren(...[...buttons].reverse());
    }
    buttons.forEach((one, block) => set(one, { "aria-pressed": String(chosen.has(block)) }));
  }

  function draw() {
    if (!shown?.blocks || !points.length) return;
    label();
    paint();
    scales.forEach((one) => set(one, { "aria-pressed": String(one.textContent === scale) }));
    const width = strip.clientWidth || 600, rows = shown.blocks.length, high = rows * ROW;
    const px = (step) => (step / shown.steps) * width;
    set(strip, { style: `height:${HEAD + high}px` });
    set(over, { viewBox: `0 0 ${width} ${HEAD + high}`, width, height: HEAD + high });
    const parts = [h("defs", {}, h("pattern", { id: hatch, width: 7, height: 7, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" }, h("line", { x1: 0, x2: 0, y1: 0, y2: 7, class: "hatch" })))];
    for (let row = 1; row < rows; row++) parts.push(h("line", { x1: 0, x2: width, y1: HEAD + row * ROW, y2: HEAD + row * ROW, class: "gap" }));
    for (const stage of shown.stages) {
      const x = px(stage.first), w = px(stage.count), room = Math.floor((w - 6) / 6.6);
      if (stage.frozen) {
        const y = HEAD + (rows - stage.frozen) * ROW;
        parts.push(h("rect", { x, y, width: w, height: stage.frozen * ROW, class: "frozen" }), h("rect", { x, y, width: w, height: stage.frozen * ROW, fill: `url(#${hatch})` }));
        if (w > 44) parts.push(h("text", { x: x + w / 2, y: y + (stage.frozen * ROW) / 2 + 4, class: "middle halo" }, "frozen"));
      }
      parts.push(h("line", { x1: x, x2: x, y1: 2, y2: HEAD + high, class: "border" }));
      const name = stage.stage.length <= room ? stage.stage : room >= 2 ? stage.stage.split(":")[0] : "";
      parts.push(h("text", { x: x + 4, y: HEAD - 6, class: "stage" }, name));
    }
    over.replaceChildren(...parts, mark);
    drawLines(width, px);
    point();
  }

  function drawLines(width, px) {
    const most = top(), least = floor(), foot = LINES - 30, head = 8;
    const share = (rate) => (scale === "linear" ? rate / (1.05 * most) : Math.log(Math.max(rate, least) / least) / Math.log((1.3 * most) / least));
    const py = (rate) => foot - clamp(share(rate), 0, 1) * (foot - head);
    const marks = scale === "linear" ? ticks(0, most, 3) : Array.from({ length: 9 }, (_, i) => 10 ** (i - 8)).filter((rate) => rate >= least * 0.99 && rate <= most * 1.3);
    const parts = marks.flatMap((rate) => [h("line", { x1: 0, x2: width, y1: py(rate), y2: py(rate), class: "grid" }), h("text", { x: -6, y: py(rate) + 4, class: "end" }, sayRate(rate))]);
    for (const step of ticks(0, shown.steps, width > 500 ? 6 : 3)) parts.push(h("text", { x: px(step), y: foot + 15, class: px(step) > width - 16 ? "end" : "middle" }, thousands(step)));
    parts.push(h("text", { x: width, y: foot + 28, class: "end" }, "step"), h("text", { x: -6, y: foot + 28, class: "end" }, "learning rate"));
    for (const stage of shown.stages) parts.push(h("line", { x1: px(stage.first), x2: px(stage.first), y1: head, y2: foot, class: "border" }));
    const used = [];
    for (const block of [...chosen].sort((a, b) => b - a)) {
      const { colour, dash } = style(block);
      for (const stage of shown.stages) {
        if (!stage.base[block]) continue;
        const own = points.filter(([step]) => step >= stage.first && step < stage.first + stage.count).map(([step, factor]) => [px(step + 0.5), py(stage.base[block] * factor)]);
        parts.push(h("polyline", { points: own.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join(" "), fill: "none", stroke: colour, "stroke-width": 2, "stroke-dasharray": dash || null }));
        const [x, y] = own.reduce((best, one) => (one[1] < best[1] ? one : best));
        // A line is named at its top, where no other name stands yet.
        const place = [clamp(x + 6, 4, width - 60), Math.max(y + 4, head + 8)];
        if (used.every(([a, b]) => Math.abs(a - place[0]) > 60 || Math.abs(b - place[1]) > 12)) {
          used.push(place);
          parts.push(h("text", { x: place[0], y: place[1], class: "name halo", style: `fill:${colour}` }, shown.blocks[block]));
        }
      }
    }
    set(lines, { viewBox: `0 0 ${width} ${LINES}`, width, height: LINES, "aria-label": shown.sentence });
    lines.replaceChildren(...parts, cursor);
  }

  const mark = h("rect", { class: "mark", width: 0, height: ROW }), cursor = h("line", { class: "cursor", y1: 8, y2: LINES - 30 });

  function point() {
    for (const node of [mark, cursor]) set(node, { style: at ? null : "display:none" });
    if (!at) return;
    at = { block: clamp(at.block, 0, shown.blocks.length - 1), i: clamp(at.i, 0, points.length - 1) };
    const [step, factor] = points[at.i], stage = stageOf(step), width = strip.clientWidth, x = ((step + 0.5) / shown.steps) * width;
    const wide = Math.max(5, width / shown.steps);
    set(mark, { x: clamp(x - wide / 2, 1, width - wide - 1), y: HEAD + (shown.blocks.length - 1 - at.block) * ROW + 1, width: wide, height: ROW - 2 });
    set(cursor, { x1: x, x2: x });
    const rate = stage.base[at.block] * factor, epoch = Math.floor((step - stage.first) / stage.perEpoch) + 1;
    const where = `${shown.blocks[at.block]} (block ${at.block + 1} of ${shown.blocks.length}), step ${thousands(step + 1)} of ${thousands(shown.steps)}, stage ${stage.stage}, epoch ${epoch} of ${stage.epochs}: `;
    const says = at.block < stage.frozen ? "frozen, no step changes it." : rate ? `learning rate ${sayRate(rate)}, ${factor < 0.005 ? "under 1 %" : percent(factor)} of its top in this stage.` : "it has no weights to train.";
    set(readout, { text: where + says });
  }

  const nearest = (step) => {  // number of the point that is nearest to a step
    let low = 0, high = points.length - 1;
    while (high - low > 1) { const middle = (low + high) >> 1; if (points[middle][0] <= step) low = middle; else high = middle; }
    return Math.abs(points[high][0] - step) < Math.abs(points[low][0] - step) ? high : low;
  };
  const pointed = (event, block) => {
    if (!shown?.blocks) return;
    const box = strip.getBoundingClientRect();
    at = { i: nearest(Math.floor(((event.clientX - box.left) / box.width) * shown.steps)), block };
    point();
  };
  strip.addEventListener("pointermove", (event) => {
    const row = Math.floor((event.clientY - strip.getBoundingClientRect().top - HEAD) / ROW);
    pointed(event, clamp(shown ? shown.blocks.length - 1 - row : 0, 0, 1e6));
  });
  lines.addEventListener("pointermove", (event) => pointed(event, at ? at.block : shown.blocks.length - 1));
  strip.addEventListener("keydown", (event) => {
    if (!shown?.blocks) return;
    const now = at ?? { i: 0, block: shown.blocks.length - 1 }, far = event.shiftKey ? 10 : 1;
    const number = shown.stages.indexOf(stageOf(points[now.i][0]));
    const first = (stage) => nearest(shown.stages[clamp(stage, 0, shown.stages.length - 1)].first);
    const moves = {
      ArrowLeft: () => ({ ...now, i: now.i - far }), ArrowRight: () => ({ ...now, i: now.i + far }),
      ArrowUp: () => ({ ...now, block: now.block + 1 }), ArrowDown: () => ({ ...now, block: now.block - 1 }),
      PageUp: () => ({ ...now, i: first(number - 1) }), PageDown: () => ({ ...now, i: first(number + 1) }),
      Home: () => ({ ...now, i: 0 }), End: () => ({ ...now, i: points.length - 1 }),
    };
    if (!(event.key in moves)) return;
    event.preventDefault();
    at = at || event.key === "Home" || event.key === "End" ? moves[event.key]() : now;
    point();
  });
  on(live, "change:shown change:curve", () => {
    shown = live.get("shown");
    points = floats(live.get("curve"), 2);
    // The two arrive in one message, but not always in one event: draw what belongs together.
    if (points.length && shown.steps > points.at(-1)[0]) draw();
  });
  const watch = new ResizeObserver(() => draw()), theme = new MutationObserver(() => draw());
  watch.observe(strip);
  theme.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] });
  const key = h("div", { class: "row soft key" }, "rate: ", low, ramp, high, h("span", { class: "frozen-key", "aria-hidden": "true" }), "frozen", h("span", { class: "row", role: "group", "aria-label": "scale" }, "scale", scales));
  const node = h("div", { class: "schedule" }, key,
    h("div", { class: "tall" }, h("div", { class: "grid2" }, labels, strip)), readout, h("div", { class: "grid2" }, h("div"), lines));
  return { node, stop: () => { watch.disconnect(); theme.disconnect(); } };
}

export default lab("ScheduleLab", ({ model, live, root, on, undo }) => {
  root.classList.add("schedule-lab");
  const shown = () => live.get("shown");
  const knobs = {
    cuts: textField(on, model, "cuts", "frozen, stage by stage"),
    probe_epochs: field(on, model, "probe_epochs", "epochs of the probe", { min: 1, max: 200, step: 1 }),
    frozen: field(on, model, "frozen", "frozen blocks", { min: 0, max: 5, step: 1 }),
    epochs: field(on, model, "epochs", "epochs", { min: 1, max: 200, step: 1 }),
    lr: logField(on, model, "lr", "learning rate", -5, -1),
    decay: field(on, model, "decay", "decay a block", { min: 0.1, max: 1, step: 0.05, say: (v) => `× ${round(v, 2)}` }),
    schedule: field(on, model, "schedule", "schedule", { kind: "select", choices: [["one_cycle", "one-cycle: rise, then fall"], ["cosine", "cosine: fall"], ["constant", "constant"]] }),
    warm_up: field(on, model, "warm_up", "warm-up", { kind: "select", choices: among(model, "warm_up", [[null, "the schedule's own"], [0, "none"], ...[0.05, 0.1, 0.2, 0.3, 0.5].map((v) => [v, `${percent(v)} of the stage`])], percent) }),
    batch: field(on, model, "batch", "batch", { kind: "select", choices: among(model, "batch", [8, 16, 32, 64, 128].map((v) => [v, `${v} images`]), (v) => `${v} images`) }),
  };
  const preset = field(on, model, "preset", "recipe", { kind: "select", choices: () => (shown().presets ?? [model.get("preset")]).map((name) => [name, name]) });
  const perClass = field(on, model, "per_class", "images per class", { min: 0, max: 1000, step: 1, say: (v) => (v ? v : "all") });
  const count = field(on, model, "count", "training images", { kind: "number", min: 2, max: 100000, step: 1 });
  const note = h("p", { class: "soft" });
  const chart = stripChart(on, live);
  undo.push(chart.stop);
  const table = dataTable("stages", [{ name: "stage" }, { name: "trains" }, { name: "parameters", number: true, say: thousands }, { name: "epochs", number: true }, { name: "steps", number: true, say: thousands },
    { name: "top rate: head", number: true, say: sayRate }, { name: "lowest block", number: true, say: sayRate }, { name: "compute of a step", number: true, say: sayShare }], { file: "stages.csv" });
  const code = h("pre", { "data-testid": "code" }), copied = h("span", { role: "status", class: "soft" });
  const copy = button("Copy", async () => {
    try { await navigator.clipboard.writeText(code.textContent); set(copied, { text: "copied" }); } catch {
      window.getSelection().selectAllChildren(code);
      set(copied, { text: "selected: copy it with Ctrl+C" });
    }
    setTimeout(() => set(copied, { text: "" }), 3000);
  });
  const bar = statusBar(on, live);
  bar.querySelector("progress").remove();  // nothing takes time here
  root.append(
    h("div", { class: "row" }, preset, perClass, count), h("div", { class: "row knobs" }, Object.values(knobs)), note,
    bar, chart.node, table.node,
    h("details", { "data-testid": "show-code" }, h("summary", {}, "Show code"), code, h("div", { class: "row" }, copy, copied)));

  let offered = "";
  on(live, "change:shown", () => {
    const { knobs: used = [], most = 0, blocks = [], stages = [], code: lines = "", presets = [] } = shown();
    for (const [name, node] of Object.entries(knobs)) set(node, { hidden: !used.includes(name) });
    set(perClass, { hidden: !most });
    set(count, { hidden: Boolean(most) });
    limit(perClass, most, model.get("per_class"));
    limit(knobs.frozen, Math.max(1, blocks.length - 1), model.get("frozen"));
    if (offered !== presets.join()) {
      offered = presets.join();
      const select = preset.querySelector("select");
      select.replaceChildren(...presets.map((name) => h("option", { value: name }, name)));
      select.value = model.get("preset");
    }
    set(note, { text: model.get("preset") === "probe, then fine-tune" ? "Rate, decay, schedule, warm-up and batch are those of the second stage; the probe keeps its own." : "", hidden: model.get("preset") !== "probe, then fine-tune" });
    set(code, { text: lines });
    table.draw(stages.map((stage) => [stage.stage, stage.trains, stage.parameters, stage.epochs, stage.steps, stage.head, stage.lowest, stage.compute]));
  });
});

// A range whose end is known only when the kernel has answered; a handle that stood at the old end goes where it belongs.
function limit(node, most, value) {
  const control = node.querySelector("input");
  if (Number(control.max) === most) return;
  control.max = most;
  control.value = value;
}

// Roughly: it is a count of products, not a time.
function sayShare(share) {
  return share >= 0.095 ? percent(share) : share >= 0.001 ? percent(share, 1) : "under 0.1 %";
}
