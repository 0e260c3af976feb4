// Two panels, source and target: knobs, pictures, what differs between them, and a small transfer.

const SIDES = ["source", "target"];
const COUNT = 12;  // pictures of a panel
const SHOWN_TWICE = [0, 4, 8];  // those of each panel that are shown under both labels
const KNOBS = [
  ["animals", "animals", [["source", "40 source breeds"], ["target", "10 target breeds"]]],
  ["style", "style", [["photo", "photo"], ["sketch", "sketch"]]],
  ["light", "light", [["day", "day"], ["evening", "evening"], ["night", "night"]]],
  ["camera", "camera", [["good", "good"], ["cheap", "cheap"], ["heat", "heat"]]],
  ["background", "background", ["any", "meadow", "beach", "forest", "winter", "street", "room", "snowfall"].map((name) => [name, name])],
  ["size", "size", [[64, "64 px"], [32, "32 px"]]],
  ["task", "task", [["breed", "which breed?"], ["ears", "which ears?"], ["coat", "which coat?"], ["pose", "which pose?"], ["facing", "facing left or right?"], ["species", "dog or cat?"]]],
];
const CELLS = [
  ["same", "same", "ordinary learning"], ["same", "other", "inductive transfer"],
  ["other", "same", "transductive transfer (domain adaptation)"], ["other", "other", "inductive transfer from another domain"],
];

// A picture of the kernel's, pixel by pixel: 3 bytes each.
function paint(canvas, bytes, offset, size) {
  if (canvas.width !== size) { canvas.width = size; canvas.height = size; }
  const image = new ImageData(size, size);
  for (let i = 0; i < size * size; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = bytes[offset + 3 * i + c];
    image.data[4 * i + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function photo(testid) {
  return h("canvas", { width: 64, height: 64, role: "img", class: "photo", "data-testid": testid });
}

const noLabel = (label) => label ?? "no label";

// Bars of P(Y): a row for each class, or one thin column each where there are many.
function labelBars(box, { task, classes, counts }, side) {
  const most = Math.max(...counts), total = counts.reduce((a, b) => a + b, 0);
  const alt = `P(Y) of the ${side}: ${classes.map((name, i) => `${name} ${counts[i]}`).join(", ")}`;
  const head = h("p", { class: "soft" }, `${side}: ${task}, ${classes.length} labels, ${thousands(total)} images`);
  const shade = side === "source" ? "fill-source" : "fill-target";
  if (classes.length <= 12) {
    const rows = classes.map((name, i) => [h("span", {}, name), h("span", { class: "track" }, h("span", { class: `bar ${shade}`, style: `width:${(100 * counts[i]) / most}%` })), h("span", { class: "number" }, counts[i])]);
    box.replaceChildren(head, h("div", { class: "bars", role: "img", "aria-label": alt }, rows));
    return;
  }
  const width = 400, height = 90, step = width / classes.length;
  const columns = counts.map((count, i) => h("rect", { x: i * step + 1, y: height - (height * count) / most, width: Math.max(1, step - 2), height: (height * count) / most, class: shade }, h("title", {}, `${classes[i]}: ${count}`)));
  const usual = new Set(counts).size === 1 ? `each label: ${counts[0]} images` : `from ${Math.min(...counts)} to ${most} images a label`;
  box.replaceChildren(head, h("svg", { viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": alt }, columns), h("p", { class: "soft" }, `${usual}; point at a bar for its name`));
}

// Both samples in a plane: circles and crosses.
function scatter(picture, { points, alt }) {
  const width = 440, height = 270, edge = 10, all = points.flat();
  const [low, high] = [0, 1].map((k) => Math.min(...all.map((p) => p[k]))).map((least, k) => [least, Math.max(...all.map((p) => p[k]))]);
  const px = (p) => edge + ((p[0] - low[0]) / (low[1] - low[0] || 1)) * (width - 2 * edge);
  const py = (p) => height - edge - ((p[1] - high[0]) / (high[1] - high[0] || 1)) * (height - 2 * edge);
  const middle = (side) => [0, 1].map((k) => side.reduce((sum, p) => sum + p[k], 0) / side.length);
  const cross = (x, y, r) => `M${(x - r).toFixed(1)} ${(y - r).toFixed(1)}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`;
  const [source, target] = points, a = middle(source), b = middle(target);
  picture.replaceChildren(
    ...source.map((p) => h("circle", { cx: px(p).toFixed(1), cy: py(p).toFixed(1), r: 3.2, class: "dot" })),
    h("path", { d: target.map((p) => cross(px(p), py(p), 2.8)).join(""), class: "cross" }),
    h("line", { x1: px(a), y1: py(a), x2: px(b), y2: py(b), class: "between" }),
    h("circle", { cx: px(a), cy: py(a), r: 8, class: "dot mean" }), h("path", { d: cross(px(b), py(b), 7), class: "cross mean" }),
  );
  set(picture, { "aria-label": alt });
}

function pixelTable(box, pixels) {
  const three = (values) => values.map((v) => v.toFixed(2)).join(", ");
  const rows = [
    ["mean of red, green, blue", (p) => three(p.mean)], ["spread of red, green, blue", (p) => three(p.spread)], ["strength of edges", (p) => p.edges.toFixed(3)],
  ];
  box.replaceChildren(...rows.map(([name, say]) => h("tr", {}, h("th", { scope: "row" }, name), pixels.map((p) => h("td", {}, say(p))))));
}

// Accuracies of both ways, a dot for each seed, and the gain with its interval.
function resultChart(picture, r) {
  const width = 440, left = 140, right = 52, row = 24;
  const lines = [["from scratch", r.scratch, "2", "dot"], ["transferred", r.transferred, "1", "dot filled"]];
  if (r.as_is !== null) lines.unshift(["source net as it is", [r.as_is], "3", "dot"]);
  const top = Math.min(1, Math.max(0.3, ...lines.flatMap((line) => line[1]), r.guess) * 1.15), bottom = row * (lines.length + 1);
  const px = (v) => left + (v / top) * (width - left - right), parts = [];
  for (const t of ticks(0, top, 4)) parts.push(h("line", { x1: px(t), x2: px(t), y1: 6, y2: bottom, class: "grid" }), h("text", { x: px(t), y: bottom + 14, class: "middle" }, percent(t)));
  parts.push(h("line", { x1: px(r.guess), x2: px(r.guess), y1: 6, y2: bottom, class: "guess" }), h("text", { x: px(r.guess) + 4, y: 15 }, "guessing"));
  lines.forEach(([name, values, , kind], i) => {
    const y = row * (i + 1) + 6, mean = values.reduce((a, b) => a + b, 0) / values.length;
    parts.push(h("text", { x: left - 8, y: y + 4, class: "end" }, name), h("line", { x1: px(mean), x2: px(mean), y1: y - 8, y2: y + 8, class: "meanbar" }));
    values.forEach((v) => parts.push(h("circle", { cx: px(v), cy: y, r: 4, class: kind })));
    parts.push(h("text", { x: width - 4, y: y + 4, class: "name end" }, percent(mean)));
  });
  parts.push(h("text", { x: left, y: bottom + 30 }, `accuracy on ${r.test_images} test images; a dot for each seed`));
  if (r.low !== null) {
    const y = bottom + 56, most = Math.max(0.05, Math.abs(r.low), Math.abs(r.high)) * 1.25;
    const gx = (v) => left + ((v + most) / (2 * most)) * (width - left - right);
    parts.push(
      h("text", { x: left - 8, y: y + 4, class: "end" }, "gain"), h("line", { x1: gx(0), x2: gx(0), y1: y - 12, y2: y + 12, class: "guess" }),
      h("line", { x1: gx(r.low), x2: gx(r.high), y1: y, y2: y, class: "interval" }),
      ...[r.low, r.high].map((v) => h("line", { x1: gx(v), x2: gx(v), y1: y - 6, y2: y + 6, class: "interval" })), h("circle", { cx: gx(r.gain), cy: y, r: 4.5, class: "dot filled" }),
      ...[[r.low, "end", -6], [r.high, "start", 6]].map(([v, side, shift]) => h("text", { x: gx(v) + shift, y: y + 4, class: side }, `${v > 0 ? "+" : ""}${(100 * v).toFixed(0)}`)),
      h("text", { x: gx(0), y: y + 25, class: "middle" }, "0: no gain (points, bar: 95 % interval)"),
    );
  }
  set(picture, { viewBox: `0 0 ${width} ${bottom + (r.low !== null ? 88 : 36)}`, "aria-label": `${r.verdict} From scratch ${percent(r.scratch_mean)}, transferred ${percent(r.transferred_mean)}, guessing ${percent(r.guess)}.` });
  picture.replaceChildren(...parts);
}

// One panel: its knobs and its pictures.
function panelOf(on, model, side) {
  const knobs = KNOBS.map(([knob, label, choices]) => {
    const made = field(on, model, `${side}_${knob}`, label, { kind: "select", choices });
    made.classList.add(knob);
    return made;
  });
  knobs.splice(1, 0, field(on, model, `${side}_cats`, "and cats", { kind: "checkbox" }));
  const asked = h("p", { class: "soft", "data-testid": `${side}-words` });
  const cells = Array.from({ length: COUNT }, (_, i) => {
    const canvas = photo(`${side}-photo`), label = h("figcaption", { "data-testid": `${side}-label` });
    return { canvas, label, node: h("figure", {}, canvas, label), i };
  });
  const node = h("section", { class: `panel ${side}`, "aria-label": side },
    h("h4", {}, side === "source" ? "Source: what the net has learned from" : "Target: what it is for"), h("div", { class: "knobs" }, knobs), asked, h("div", { class: "photos" }, cells.map((cell) => cell.node)));
  const show = (panel, bytes, offset) => {
    set(asked, { text: `${panel.words}: ${panel.asked}` });
    cells.forEach(({ canvas, label, i }) => {
      if (bytes.length >= offset + COUNT * panel.size ** 2 * 3) paint(canvas, bytes, offset + i * panel.size ** 2 * 3, panel.size);
      set(label, { text: noLabel(panel.labels[i]) });
      set(canvas, { "aria-label": `drawn animal ${i + 1} of the ${side}: ${noLabel(panel.labels[i])}` });
    });
  };
  return { node, show };
}

export default lab("DomainTaskLab", async ({ model, live, root, on, send }) => {
  const scene = await model.widget_manager.get_model(model.get("scene").slice("IPY_MODEL_".length));
  root.classList.add("domain-task");

  // Panels
  const panels = SIDES.map((side) => panelOf(on, model, side));
  const both = h("div", { class: "panels" }, panels.map((panel) => panel.node));
  const between = h("div", { class: "row" }, button("Swap source and target", () => send("swap"), { "data-testid": "swap" }), button("Draw other animals", () => send("redraw"), { "data-testid": "redraw" }));

  // What differs
  const parts = Array.from({ length: 4 }, (_, i) => {
    const sign = h("span", { class: "sign", "aria-hidden": "true" }), name = h("strong"), says = h("span", { class: "says" }), words = h("div", { class: "soft" });
    return { sign, name, says, words, node: h("li", { "data-testid": `part-${i}` }, sign, h("div", {}, name, " ", says, words)) };
  });
  const cells = CELLS.map(([domain, task, words]) => button(words, () => send("example", { domain, task }), { "data-testid": `kind-${domain}-${task}` }));
  const corner = (text) => h("span", { class: "soft" }, text);
  const grid = h("div", { class: "kinds", role: "group", "aria-label": "kinds of transfer; press one for an example" },
    corner(""), corner("same task"), corner("other task"), corner("same domain"), cells[0], cells[1], corner("other domain"), cells[2], cells[3]);
  const kind = h("p", { class: "kind", "data-testid": "kind" }), why = h("p", { "data-testid": "why" });
  const statement = h("section", { class: "statement", "aria-label": "what differs" }, h("h4", {}, "What differs, and what that is called"),
    h("div", { class: "columns" }, h("ul", { class: "parts" }, parts.map((part) => part.node)),
      h("div", {}, h("div", { "aria-live": "polite" }, kind, why), grid, h("p", { class: "soft" }, "Press a kind: the target is set to an example of it."))));

  // The three distributions
  const picture = h("svg", { viewBox: "0 0 440 270", role: "img", class: "chart", "data-testid": "scatter" });
  const light = lineChart({ width: 440, height: 150, left: 46, right: 60, testid: "brightness" });
  const numbers = h("tbody", { "data-testid": "pixels" });
  const apart = h("p", { "data-testid": "apart" }), key = h("p", { class: "soft" });
  const marginal = h("section", { "aria-label": "the marginal P(X)" }, h("h4", {}, "P(X): the pictures"), apart, picture,
    key,
    light.node, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "statistics of the pixels" }, h("table", {}, h("caption", {}, "pixels, from 0 to 1"), h("thead", {}, h("tr", {}, h("td", {}), SIDES.map((side) => h("th", { scope: "col" }, side)))), numbers)));
  const bars = SIDES.map((side) => h("div", { "data-testid": `bars-${side}` }));
  const pairs = SIDES.flatMap((side, k) => SHOWN_TWICE.map((i) => {
    const canvas = photo("both-photo"), one = h("span", { class: "of-source" }), two = h("span", { class: "of-target" });
    return { k, i, canvas, one, two, node: h("figure", {}, canvas, h("figcaption", {}, one, two)) };
  }));
  const agree = h("p", { "data-testid": "agree" });
  const labels = h("div", {}, h("section", { "aria-label": "P(Y)" }, h("h4", {}, "P(Y): the labels of both sets"), bars),
    h("section", { "aria-label": "P(Y given X)" }, h("h4", {}, "P(Y given X): the same pictures under both tasks"), h("p", { class: "soft" }, "first line: label under the source's task; second line: under the target's"), h("div", { class: "photos pairs" }, pairs.map((pair) => pair.node)), agree));

  // The transfer
  const start = button("Transfer", () => send("transfer"), { class: "primary" }), stop = button("Stop", () => send("stop")), reset = button("Reset", () => send("reset"));
  const long = h("p", { class: "soft", "data-testid": "passes" });
  const loss = lineChart({ height: 150, testid: "loss" });
  const verdict = h("p", { class: "kind", "data-testid": "verdict" }), of = h("p", { class: "soft" });
  const dots = h("svg", { role: "img", class: "chart", "data-testid": "result" });
  const outcome = h("div", {}, verdict, of, dots);
  const points = (v) => (100 * v).toFixed(1);
  const table = dataTable("transfers so far (accuracies in per cent, gain and interval in points)", [
    { name: "source" }, { name: "target" }, { name: "starts from" }, { name: "a class", number: true }, { name: "seeds", number: true }, { name: "transferred", number: true, say: points },
    { name: "from scratch", number: true, say: points }, { name: "gain", number: true, say: points }, { name: "low", number: true, say: points }, { name: "high", number: true, say: points }, { name: "seconds", number: true, say: (v) => v.toFixed(0) },
  ], { testid: "transfers", file: "transfers.csv" });
  const transfer = h("section", { "aria-label": "transfer" }, h("h4", {}, "Transfer at once"),
    h("p", {}, "A net is trained on the source. Its body is frozen, and a new head learns from a few target images. Beside it, nets learn the same images from scratch."),
    h("div", { class: "row" }, field(on, model, "per_class", "target images a class", { min: 1, max: 20 }), field(on, model, "seeds", "seeds", { min: 2, max: 10 }),
      field(on, model, "start", "the source net starts from", { kind: "select", choices: [["random", "random weights"], ["photos", "shipped net: photos"], ["textures", "shipped net: textures"], ["animals", "shipped net: animals"]] })),
    h("div", { class: "row buttons", role: "group", "aria-label": "training" }, start, stop, reset), long, statusBar(on, live),
    h("div", { class: "columns" }, outcome, loss.node), table.node);

  const code = h("pre", { tabindex: 0, "data-testid": "code", "aria-label": "code" });
  const copied = h("span", { role: "status", class: "soft" });
  const copy = button("Copy", async () => {
    try { await navigator.clipboard.writeText(code.textContent); set(copied, { text: "copied" }); } catch { set(copied, { text: "select the lines and copy them" }); }
  });
  root.append(both, between, statement, h("div", { class: "columns" }, marginal, labels), transfer, h("details", {}, h("summary", {}, "Show code: these lines make both sets and repeat the transfer"), code, h("div", { class: "row" }, copy, copied)));

  on(scene, "change:curve change:shown", () => {
    const shown = scene.get("shown"), view = scene.get("curve");
    if (!shown.panels || !view) return;
    const bytes = view.buffer ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array(view);
    const sizes = SIDES.map((side) => shown.panels[side].size), starts = [0, COUNT * sizes[0] ** 2 * 3];
    if (bytes.length !== starts[1] + COUNT * sizes[1] ** 2 * 3) return;
    panels.forEach((panel, k) => panel.show(shown.panels[SIDES[k]], bytes, starts[k]));
    for (const { k, i, canvas, one, two } of pairs) {
      const panel = shown.panels[SIDES[k]], own = noLabel(panel.labels[i]), other = noLabel(panel.others[i]);
      const [first, second] = k === 0 ? [own, other] : [other, own];
      paint(canvas, bytes, starts[k] + i * sizes[k] ** 2 * 3, sizes[k]);
      set(one, { text: first });
      set(two, { text: second });
      set(canvas, { "aria-label": `picture of the ${SIDES[k]}: ${first} under the source's task, ${second} under the target's` });
    }
    set(code, { text: shown.code });
    set(long, { text: `${thousands(shown.passes)} image passes: some ${Math.max(1, Math.round(shown.seconds))} s on two cores. A small run: it shows what happens here, not a law.` });
  });
  on(scene, "change:shown", () => {
    const shown = scene.get("shown");
    set(statement, { "aria-busy": shown.measuring ? "true" : "false", "data-measuring": shown.measuring ? "yes" : "no", "data-version": shown.version });
    if (!shown.statement || shown.measuring) return;
    const said = shown.statement;
    parts.forEach(({ sign, name, says, words, node }, i) => {
      const part = said.parts[i];
      set(node, { "data-same": part.same ? "yes" : "no" });
      set(sign, { text: part.same ? "=" : "\u2260" });
      set(name, { text: part.name });
      set(says, { text: part.verdict });
      set(words, { text: part.words });
    });
    set(kind, { text: `This is ${said.kind}.` });
    set(why, { text: said.why });
    CELLS.forEach(([domain, task], i) => set(cells[i], { "aria-pressed": (said.same_domain === (domain === "same") && said.same_task === (task === "same")) ? "true" : "false" }));
    scatter(picture, shown.scatter);
    set(apart, { text: shown.scatter.words });
    set(key, { text: `circles: source; crosses: target; large: their means. 120 random pictures of each, as a frozen net sees them, in the two main directions of its features (${percent(shown.scatter.shown)} of their variance).` });
    pixelTable(numbers, shown.pixels);
    const steps = shown.pixels[0].brightness.length;
    light.draw({
      series: SIDES.map((side, k) => ({ name: side, colour: k, points: shown.pixels[k].brightness.map((share, i) => [(i + 0.5) / steps, share]) })),
      x: { label: "brightness", min: 0, max: 1 }, y: { label: "share of pixels", min: 0, say: (v) => percent(v) },
      alt: `Share of pixels by brightness, from dark to light. ${SIDES.map((side, k) => `${side}: ${shown.pixels[k].brightness.map((v) => percent(v)).join(", ")}`).join("; ")}`,
    });
    shown.labels.forEach((each, k) => labelBars(bars[k], each, SIDES[k]));
    set(agree, { text: shown.pictures });
  });
  on(live, "change:state", () => {
    const state = live.get("state"), working = WORKING.includes(state);
    set(start, { disabled: working, text: state === "stopped" ? "Go on" : "Transfer" });
    set(stop, { disabled: !working });
    set(reset, { disabled: working });
  });
  on(live, "change:curve", () => {
    const lines = new Map();
    for (const [line, step, value] of floats(live.get("curve"), 3)) lines.set(line, [...(lines.get(line) ?? []), [step, value]]);
    const last = Math.max(0, ...lines.keys());
    const name = (line) => (line === 0 ? "source net" : line === 1 ? "heads" : line === last ? "from scratch" : "");
    set(loss.node, { hidden: !lines.size });
    loss.draw({
      series: [...lines].map(([line, pointsOf]) => ({ name: name(line), label: "from scratch", colour: Math.min(line, 2), past: line > 1 && line < last, points: pointsOf })),
      x: { label: "step", min: 0 }, y: { label: "loss", min: 0 },
      alt: `Loss of each batch, in nats. ${[...lines].map(([line, pointsOf]) => `${line < 2 ? name(line) : `from scratch ${line - 1}`}: ${round(pointsOf[0][1])} to ${round(pointsOf.at(-1)[1])}`).join("; ")}`,
    });
  });
  on(live, "change:shown", () => {
    const { result, rows } = live.get("shown");
    set(outcome, { hidden: !result });
    if (result) {
      set(verdict, { text: result.verdict });
      set(of, { text: `${result.source}, then ${result.target}; ${result.per_class} target images a class` });
      resultChart(dots, result);
    }
    set(table.node, { hidden: !rows?.length });
    table.draw(rows ?? []);
  });
});
