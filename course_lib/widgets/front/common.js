// What all labs share: building the page, the look of a run, charts and tables. Nothing is fetched, nothing leaves the page.

const NS = "http://www.w3.org/2000/svg";
const DRAWN = new Set(["svg", "g", "line", "polyline", "polygon", "path", "rect", "circle", "text", "title", "defs", "pattern", "image"]);
const FOCUSED = new Set(["a", "button", "input", "select", "summary", "textarea"]);
const COLOURS = ["var(--c-blue)", "var(--c-orange)", "var(--c-green)", "var(--c-purple)", "var(--c-grey)"];
const DASHES = ["", "7 3", "2 3", "8 3 2 3", "5 5"];

// An element: attributes, onclick and the like, text; children may be nested lists, null is left out.
function h(tag, props = {}, ...children) {
  const node = DRAWN.has(tag) ? document.createElementNS(NS, tag) : document.createElement(tag);
  set(node, props);
  // Keys belong to what has the focus, not to the notebook's shortcuts; JupyterLab looks for this on the element itself.
  if (FOCUSED.has(tag) || "tabindex" in props) node.setAttribute("data-lm-suppress-shortcuts", "true");
  node.append(...children.flat(9).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function set(node, props) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "text") { if (node.textContent !== String(value)) node.textContent = value; }
    else if (["value", "checked", "disabled", "open", "hidden", "indeterminate"].includes(name)) { if (node[name] !== value) node[name] = value; }
    else if (value === null || value === undefined || value === false) node.removeAttribute(name);
    else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value === true ? "" : value);
  }
  return node;
}

// render() of a lab: build({model, live, root, on, send}) makes the page once and updates it in place, so focus is kept.
// on(model, "change:x change:y", f) calls f now and at each change; send("train", {...}) calls the lab's command.
function lab(name, build) {
  return {
    async render({ model, el }) {
      const live = await model.widget_manager.get_model(model.get("live").slice("IPY_MODEL_".length));
      const undo = [];
      const on = (source, events, react) => {
        for (const event of events.split(" ")) {
          source.on(event, react);
          undo.push(() => source.off(event, react));
        }
        react();
      };
      const root = h("section", { class: "course-lab", "aria-label": name, "data-testid": "lab" });
      el.append(root);
      const send = (command, argument = {}) => {
        for (const flush of waiting.get(model) ?? []) flush();
        // Settings travel with the command: ipywidgets holds updates back while the kernel is busy, and commands would overtake them.
        const settings = [...(written.get(model) ?? [])].map((trait) => [trait, model.get(trait)]);
        model.send({ do: command, with: argument, settings: Object.fromEntries(settings) });
      };
      build({ model, live, root, on, send, undo });
      return () => undo.forEach((f) => f());
    },
  };
}

// A button: button("Train", () => send("train"), {class: "primary"}).
function button(text, press, props = {}) {
  return h("button", { type: "button", onclick: press, "data-testid": text.toLowerCase().replaceAll(" ", "-"), ...props }, text);
}

// Where the work stands: words for a screen reader, a bar for the eye, and what went wrong.
function statusBar(on, live) {
  const words = h("div", { role: "status", class: "status", "data-testid": "status" });
  const bar = h("progress", { max: 1, "aria-label": "progress" });
  bar.setAttribute("value", 0);  // without it the bar would run to and fro
  const chip = h("div", { role: "alert", class: "error", "data-testid": "error" });
  on(live, "change:status", () => set(words, { text: live.get("status") }));
  on(live, "change:progress", () => set(bar, { value: live.get("progress") }));
  on(live, "change:state", () => set(words, { "data-state": live.get("state") }));
  on(live, "change:error", () => set(chip, { text: live.get("error"), hidden: !live.get("error") }));
  return h("div", { class: "statusbar" }, words, bar, chip);
}

const WORKING = ["queued", "running"];

// Train, Stop, Step, Reset: which of them can be pressed follows from the state of the work.
function runButtons(on, live, send, names = ["train", "stop", "step", "reset"]) {
  const told = { train: "Train", stop: "Stop", step: "Step", reset: "Reset" };
  const made = names.map((name) => button(told[name], () => send(name), { "data-testid": name, class: name === "train" ? "primary" : null }));
  on(live, "change:state", () => {
    const state = live.get("state"), working = WORKING.includes(state);
    names.forEach((name, i) => {
      set(made[i], { disabled: name === "stop" ? !working : working });
      if (name === "train") set(made[i], { text: state === "stopped" ? "Go on" : "Train" });
    });
  });
  return h("div", { class: "row buttons", role: "group", "aria-label": "training" }, made);
}

let fields = 0;
const waiting = new WeakMap();  // model -> functions that send what a reader is just dragging
const written = new WeakMap();  // model -> names of the traits that the page has set

// Set traits from the page: put(model, {frozen: 3}).
function put(model, values) {
  written.set(model, new Set([...(written.get(model) ?? []), ...Object.keys(values)]));
  for (const [trait, value] of Object.entries(values)) model.set(trait, value);
  model.save_changes();
}

// A labelled control bound to a trait, both ways. kind: range, number, select, checkbox.
// field(on, model, "epochs", "epochs", {kind: "range", min: 1, max: 60, step: 1, say: (v) => `${v}`}) or {kind: "select", choices: [["value", "words"], ...]}
function field(on, model, trait, label, { kind = "range", choices = null, say = String, save = null, ...limits } = {}) {
  const id = `course-${trait}-${++fields}`;
  const take = (value) => { if (save) save(value); else put(model, { [trait]: value }); };
  let control, show;
  if (kind === "select") {
    const fill = () => {
      const list = typeof choices === "function" ? choices() : choices;
      control.replaceChildren(...list.map(([value, words]) => h("option", { value: String(value) }, words)));
      return list;
    };
    control = h("select", { id, onchange: () => take((typeof choices === "function" ? choices() : choices)[control.selectedIndex][0]) });
    show = (value) => { fill(); control.value = String(value); };
  } else if (kind === "checkbox") {
    control = h("input", { id, type: "checkbox", onchange: () => take(control.checked) });
    show = (value) => { control.checked = value; };
  } else {
    const whole = Number.isInteger(limits.step ?? 1) && Number.isInteger(limits.min ?? 0);
    let timer = 0;
    const flush = () => {
      if (!timer) return;
      clearTimeout(timer);
      timer = 0;
      const value = whole ? parseInt(control.value, 10) : parseFloat(control.value);
      if (Number.isFinite(value)) take(value);
    };
    const changed = () => { clearTimeout(timer); timer = setTimeout(flush, kind === "range" ? 40 : 0); };
    control = h("input", { id, type: kind, ...limits, oninput: () => { set(output, { text: say(Number(control.value)) }); if (kind === "range") changed(); }, onchange: changed });
    waiting.set(model, [...(waiting.get(model) ?? []), flush]);
    show = (value) => { if (!timer && (document.activeElement !== control || kind === "range")) control.value = value; };
  }
  set(control, { "data-testid": trait });
  const output = h("output", { for: id });
  on(model, `change:${trait}`, () => { show(model.get(trait)); if (kind === "range") set(output, { text: say(Number(control.value)) }); });
  return h("div", { class: `field ${kind}` }, h("label", { for: id }, label), control, kind === "range" ? output : null);
}

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const round = (value, digits = 3) => (Math.abs(value) >= 100 ? value.toFixed(0) : Number(value.toPrecision(digits)).toString());

function ticks(low, high, count = 4) {
  if (!(high > low)) return [low];
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((m) => m * power >= raw) ?? 10);
  const out = [];
  for (let t = Math.ceil(low / step) * step; t <= high + step * 1e-6; t += step) out.push(Math.abs(t) < step * 1e-6 ? 0 : t);
  return out;
}

// A chart of lines that is drawn anew at each update, read by pointing at it.
// draw({series: [{name, points: [[x, y], ...], kind: "line" | "dots", past: false, colour: 0}], x: {label, min, max}, y: {label, min, max, say}, alt})
function lineChart({ width = 440, height = 190, left = 46, right = 96, top = 10, bottom = 34, testid = "chart" } = {}) {
  const picture = h("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", class: "chart", "data-testid": testid });
  const readout = h("div", { class: "readout", "aria-hidden": "true" }, "\u00a0");
  let state = null;
  const draw = ({ series, x, y, alt }) => {
    const drawn = series.filter((s) => s.points.length);
    const all = drawn.flatMap((s) => s.points.filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b)));
    const range = (axis, k) => {
      const values = all.map((p) => p[k]);
      const low = axis.min ?? (values.length ? Math.min(...values) : 0), high = axis.max ?? (values.length ? Math.max(...values) : 1);
      return high > low ? [low, high] : [low, low + 1];
    };
    const [x0, x1] = range(x, 0), [y0, y1] = range(y, 1);
    const px = (v) => left + ((v - x0) / (x1 - x0)) * (width - left - right);
    const py = (v) => height - bottom - ((clamp(v, y0, y1) - y0) / (y1 - y0)) * (height - top - bottom);
    const sayX = x.say ?? round, sayY = y.say ?? round;
    const parts = [];
    for (const t of ticks(y0, y1, 4)) parts.push(h("line", { x1: left, x2: width - right, y1: py(t), y2: py(t), class: "grid" }), h("text", { x: left - 6, y: py(t) + 4, class: "tick end" }, sayY(t)));
    for (const t of ticks(x0, x1, 5)) parts.push(h("text", { x: px(t), y: height - bottom + 15, class: "tick middle" }, sayX(t)));
    parts.push(h("text", { x: left, y: height - 4, class: "axis" }, `${x.label}`));
    const ends = [];
    for (const s of drawn) {
      const colour = s.past ? "var(--c-past)" : COLOURS[(s.colour ?? 0) % COLOURS.length];
      const points = s.points.filter(([a, b]) => Number.isFinite(a) && Number.isFinite(b)).map(([a, b]) => [px(a), py(b)]);
      if (!points.length) continue;
      if (s.kind === "dots") parts.push(...points.map(([a, b]) => h("circle", { cx: a, cy: b, r: 2.6, fill: colour })));
      else parts.push(h("polyline", { points: points.map(([a, b]) => `${a.toFixed(1)},${b.toFixed(1)}`).join(" "), fill: "none", stroke: colour, "stroke-width": s.past ? 1.2 : 2, "stroke-dasharray": DASHES[(s.dash ?? s.colour ?? 0) % DASHES.length] || null }));
      if (s.name) ends.push({ name: s.name, y: points.at(-1)[1], x: points.at(-1)[0], colour });
    }
    ends.sort((a, b) => a.y - b.y);
    let last = -99;
    for (const end of ends) {
      last = Math.max(end.y, last + 12);
      parts.push(h("text", { x: width - right + 5, y: last + 4, class: "name", style: `fill:${end.colour}` }, end.name));
    }
    picture.replaceChildren(...parts);
    set(picture, { "aria-label": alt });
    state = { drawn, px, py, sayX, sayY, x, y };
  };
  picture.addEventListener("pointermove", (event) => {
    if (!state) return;
    const box = picture.getBoundingClientRect(), scale = width / box.width;
    const ex = (event.clientX - box.left) * scale, ey = (event.clientY - box.top) * scale;
    let best = null;
    for (const s of state.drawn) for (const [a, b] of s.points) {
      const far = (state.px(a) - ex) ** 2 + ((state.py(b) - ey) / 2) ** 2;
      if (best === null || far < best.far) best = { far, text: `${s.name || s.label || ""} ${state.x.label} ${state.sayX(a)}: ${state.sayY(b)}` };
    }
    set(readout, { text: best ? best.text : "\u00a0" });
  });
  picture.addEventListener("pointerleave", () => set(readout, { text: "\u00a0" }));
  return { node: h("div", { class: "chartbox" }, picture, readout), draw };
}

// A table that sorts by a click on a column's head and can be saved as CSV.
// draw([[...], ...]); columns: [{name, number: true, say: (v) => text}]
function dataTable(caption, columns, { testid = "table", file = "runs.csv" } = {}) {
  let rows = [], by = null, down = false;
  const heads = columns.map((column, i) => {
    if (column.skip) return h("td");
    const press = button(column.name, () => { down = by === i ? !down : false; by = i; show(); }, { class: "head", "data-testid": null });
    return h("th", { scope: "col" }, press);
  });
  const body = h("tbody", { "data-testid": testid });
  const say = (column, value) => (value === null || value === undefined ? "" : column.say ? column.say(value) : String(value));
  function show() {
    const sorted = by === null ? rows : [...rows].sort((a, b) => (a[by] > b[by] ? 1 : a[by] < b[by] ? -1 : 0) * (down ? -1 : 1));
    heads.forEach((head, i) => set(head, { "aria-sort": by === i ? (down ? "descending" : "ascending") : null }));
    body.replaceChildren(...sorted.map((row) => h("tr", {}, row.slice(0, columns.length).map((value, i) =>
      value instanceof Node ? h("td", {}, value) : h("td", { class: columns[i].number ? "number" : null }, say(columns[i], value))))));
  }
  const csv = () => {
    const quote = (value) => `"${String(value ?? "").replaceAll('"', '""')}"`;
    const kept = columns.map((column, i) => i).filter((i) => !columns[i].skip);
    const lines = [kept.map((i) => columns[i].name), ...rows.map((row) => kept.map((i) => row[i]))];
    const link = h("a", { href: URL.createObjectURL(new Blob([lines.map((line) => line.map(quote).join(",")).join("\n")], { type: "text/csv" })), download: file });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const save = button("Save as CSV", csv, { class: "quiet", disabled: true });
  const node = h("div", { class: "tablebox" }, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": caption }, h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, heads)), body)), save);
  return { node, draw: (given) => { rows = given; set(save, { disabled: !rows.length }); show(); } };
}

// float32 bytes of a trait as rows of `columns` numbers.
function floats(view, columns) {
  if (!view || !view.byteLength) return [];
  const bytes = view.buffer ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array(view);
  const values = new Float32Array(bytes.slice().buffer), rows = [];
  for (let i = 0; i + columns <= values.length; i += columns) rows.push(Array.from(values.subarray(i, i + columns)));
  return rows;
}

const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;
const thousands = (n) => n.toString().replace(/\B(?=(\d{3})+(?!\d))/g, ",");
