// FreezeLab: the blocks, the knobs, a guess, the run, past runs, the code, and a look inside a block.

const PRESETS = ["from scratch", "feature extraction", "last stage", "gradual unfreezing", "fine-tune"];

export default lab("Freeze lab", ({ model, live, root, on, send }) => {
  root.append(...[
    blockRow(model, live, on, send),
    model.get("network").fixed ? null : h("div", { class: "row", role: "group", "aria-label": "presets" }, h("span", { class: "soft" }, "presets"), presets(model, on, send)),
    h("div", { class: "columns" }, knobs(model, on), before(model, live, on)),
    guess(model, live, on),
    runButtons(on, live, send),
    statusBar(on, live),
    charts(live, on),
    runs(model, live, on, send),
    code(model, on),
    insideView(model, live, on, send, root),
  ].filter(Boolean));
});

// The blocks

function blockRow(model, live, on, send) {
  const { blocks, groups, name } = model.get("network");
  const opened = new Set();
  const said = h("p", { class: "said", "data-testid": "said" });
  const explained = h("p", { class: "explained", role: "status", "data-testid": "explained" });
  const row = h("div", { class: "blocks", role: "toolbar", "aria-label": `blocks of ${name}; arrow keys move, Space freezes or unfreezes, Shift and Space freezes up to here` });
  const cut = h("input", { type: "range", min: 0, max: blocks.length - 1, step: 1, class: "cut", "aria-label": "freeze up to here", "data-testid": "cut",
    oninput: () => put(model, { frozen: parseInt(cut.value, 10) }) });
  let parts = [];

  const label = (first, last) => (first === last ? blocks[first].name : shortened(blocks[first].name, blocks[last].name));
  const build = () => {
    const focused = parts.findIndex((part) => part.button === document.activeElement);
    const at = focused >= 0 ? parts[focused].first : null;
    parts = groups.flatMap(([first, last]) => {
      if (first !== last && opened.has(first)) return Array.from({ length: last - first + 1 }, (_, k) => part(first + k, first + k, k === 0 ? first : null));
      return [part(first, last, first !== last ? first : null)];
    });
    row.replaceChildren(...parts.map((p) => p.node));
    refresh();
    if (at !== null) (parts.find((p) => p.first <= at && at <= p.last) ?? parts[0]).button.focus();
  };
  const part = (first, last, group) => {
    const inside = blocks.slice(first, last + 1);
    const parameters = inside.reduce((sum, b) => sum + b.parameters, 0), share = inside.reduce((sum, b) => sum + b.share, 0);
    const word = h("b", { class: "word" }), rate = h("span", { class: "rate" });
    const press = (event) => {
      row.dispatchEvent(new CustomEvent("course-block", { bubbles: true, detail: last }));
      if (!event.shiftKey) return send("press", { first, last });
      // Up to and with this block; where the edge is there already, or this is the head, this block and all above it train.
      const edge = last + 1 === blocks.length || last + 1 === model.get("frozen") ? first : last + 1;
      return send("set_cut", { frozen: edge });
    };
    const node = button("", press, { class: group === null ? "block" : "block grouped", "data-testid": `block-${first}`, tabindex: -1, onkeydown: (event) => move(event, first), onfocus: () => roving(first) });
    node.append(
      h("span", { class: "name" }, label(first, last)), word,
      h("span", { class: "soft" }, first === last ? inside[0].shape : `${last - first + 1} blocks`),
      h("span", { class: "soft" }, `${count(parameters)} par.`),
      h("span", { class: "bar", role: "img", "aria-label": `${percent(share)} of the work` }, h("span", { style: `width:${(100 * share).toFixed(1)}%` })), rate);
    const open = group === null ? null : button(opened.has(group) ? "–" : "+", () => { if (opened.has(group)) opened.delete(group); else opened.add(group); build(); },
      { class: "open", "aria-label": opened.has(group) ? `close the group of ${blocks[group].name}` : `show the blocks of ${label(first, last)}`, "aria-expanded": String(opened.has(group)), "data-testid": `open-${group}` });
    return { first, last, button: node, word, rate, node: h("div", { class: "cell" }, node, open) };
  };
  const roving = (first) => parts.forEach((p) => set(p.button, { tabindex: p.first === first ? 0 : -1 }));
  const move = (event, first) => {
    const i = parts.findIndex((p) => p.first === first);
    const to = { ArrowRight: i + 1, ArrowDown: i + 1, ArrowLeft: i - 1, ArrowUp: i - 1, Home: 0, End: parts.length - 1 }[event.key];
    if (to === undefined || !parts[to]) return;
    event.preventDefault();
    parts[to].button.focus();
  };
  const refresh = () => {
    const frozen = model.get("frozen"), rates = live.get("plan").rates;
    parts.forEach((p) => {
      const state = p.last < frozen ? "frozen" : p.first >= frozen ? "trains" : "partly frozen";
      set(p.button, { "aria-pressed": state === "frozen" ? "true" : state === "trains" ? "false" : "mixed", "data-state": state });
      set(p.word, { text: state });
      set(p.rate, { text: rates && rates[p.last] && state !== "frozen" ? `rate ${round(rates[p.last], 2)}` : "\u00a0" });
    });
    if (!parts.some((p) => p.button.getAttribute("tabindex") === "0") && parts.length) set(parts[0].button, { tabindex: 0 });
    const trained = blocks.slice(frozen).reduce((sum, b) => sum + b.parameters, 0), all = blocks.reduce((sum, b) => sum + b.parameters, 0);
    set(said, { text: `${name}: ${frozen} of ${blocks.length} blocks frozen, ${thousands(trained)} of ${thousands(all)} parameters train` });
    set(cut, { "aria-valuetext": frozen ? `${frozen} blocks, up to ${blocks[frozen - 1].name}` : "none" });
    if (cut.value !== String(frozen)) cut.value = frozen;
  };
  build();
  on(model, "change:frozen", refresh);
  on(live, "change:plan", refresh);
  on(model, "change:explained", () => set(explained, { text: model.get("explained"), hidden: !model.get("explained") }));
  return h("div", {}, said, row, h("div", { class: "row" }, h("span", { class: "soft", "aria-hidden": "true" }, "freeze up to here"), cut), explained);
}

// layer3.0 to layer3.5 -> layer3.0-5
function shortened(first, last) {
  let k = 0;
  while (k < first.length && first[k] === last[k]) k++;
  while (k > 0 && /\d/.test(first[k - 1])) k--;
  return last.slice(k).length <= 4 ? `${first}\u2013${last.slice(k)}` : `${first} \u2013 ${last}`;
}
const count = (n) => (n >= 1e6 ? `${(n / 1e6).toFixed(1)} M` : n >= 1e3 ? `${(n / 1e3).toFixed(n >= 1e4 ? 0 : 1)} k` : `${n}`);

// Presets and knobs

function presets(model, on, send) {
  return PRESETS.map((name) => {
    const node = button(name, () => send("choose", { preset: name }), { "data-testid": `preset-${name.replaceAll(" ", "-")}`, disabled: name === "from scratch" && !model.get("network").random });
    on(model, "change:preset", () => set(node, { "aria-pressed": String(model.get("preset") === name) }));
    return node;
  });
}

function knobs(model, on) {
  const { most, fixed } = model.get("network");
  const withNow = (trait, list, say = (v) => String(v)) => () => {
    const now = model.get(trait), values = [...new Set([...list, now])].sort((a, b) => a - b);
    return values.map((v) => [v, say(v)]);
  };
  const sizes = [1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 500].filter((n) => n < most);
  const choice = (trait, label, list, say) => field(on, model, trait, label, { kind: "select", choices: withNow(trait, list, say) });
  return h("div", { class: "knobs", role: "group", "aria-label": "settings" },
    choice("per_class", "images per class", [...sizes, 0], (v) => (v ? String(v) : `all (${most})`)),
    fixed ? null : [field(on, model, "epochs", "epochs", { kind: "range", min: 1, max: 60, step: 1 }),
    choice("lr", "learning rate", [1e-4, 3e-4, 1e-3, 2e-3, 3e-3, 1e-2, 3e-2, 1e-1]),
    choice("decay", "rate by block, times", [0.3, 0.5, 0.7, 0.85, 1]),
    choice("views", "augmented views", [0, 2, 4, 8], (v) => (v ? String(v) : "none")),
    choice("pull", "pull to the start", [0, 0.5, 2, 10, 50], (v) => (v ? String(v) : "none")),
    field(on, model, "norm", "BatchNorm in trained blocks", { kind: "select", choices: [["train", "follows the batch"], ["eval", "stays as it is"], ["adapt", "measured anew, then stays"]] }),
    field(on, model, "gradual", "unfreeze step by step", { kind: "checkbox" })],
    field(on, model, "start", "weights at the start", { kind: "select", choices: [["pretrained", "pretrained"], ["random", "random"]].slice(0, model.get("network").random ? 2 : 1) }),
    field(on, model, "seed", "seed", { kind: "number", min: 0, step: 1 }));
}

function before(model, live, on) {
  const list = h("dl", { class: "plan", "data-testid": "plan" });
  on(live, "change:plan", () => {
    const plan = live.get("plan");
    if (plan.problem) return list.replaceChildren(h("dt", {}, "not possible"), h("dd", { class: "error" }, plan.problem));
    const time = plan.seconds === undefined ? (plan.measuring ? "measuring a step …" : "after this run") : plan.seconds < 0.95 ? "under a second" : `about ${duration(plan.seconds)}`;
    const rows = [["trains", plan.parameters === undefined ? "" : `${thousands(plan.parameters)} parameters`], ["learns from", `${thousands(plan.images ?? 0)} images`],
      ["takes", time], ["memory", plan.memory ? `about ${plan.memory}` : ""], ["remembers", plan.cached ?? ""]];
    list.replaceChildren(...rows.filter(([, value]) => value).flatMap(([term, value]) => [h("dt", {}, term), h("dd", {}, value)]));
  });
  return h("div", {}, h("h4", {}, "Before you train"), list);
}
const duration = (s) => (s < 10 ? `${s.toFixed(1)} s` : s < 90 ? `${Math.round(s)} s` : `${Math.round(s / 60)} min`);

// The guess: locked by Train

function guess(model, live, on) {
  const control = h("input", { type: "range", min: 0, max: 100, step: 1, id: `course-guess-${++fields}`, "data-testid": "guess", oninput: () => put(model, { guess: Number(control.value) }) });
  const words = h("output", { for: control.id });
  const refresh = () => {
    const value = model.get("guess"), locked = WORKING.includes(live.get("state"));
    set(control, { disabled: locked, class: value < 0 ? "unset" : null, "aria-valuetext": value < 0 ? "no guess yet" : `${value} per cent` });
    if (value >= 0 && control.value !== String(value)) control.value = value;
    set(words, { text: value < 0 ? "no guess yet" : `${value} %${locked ? ", locked" : ""}` });
  };
  on(model, "change:guess", refresh);
  on(live, "change:state", refresh);
  return h("div", { class: "row guess" }, h("label", { for: control.id }, "I predict an accuracy on val of"), control, words);
}

// The run and those before it

function charts(live, on) {
  const loss = lineChart({ testid: "loss", height: 170 }), accuracy = lineChart({ testid: "accuracy", height: 170 });
  const draw = () => {
    const train = floats(live.get("curve"), 3), looks = live.get("looks"), past = live.get("runs").filter((run) => run.looks.length && run.looks !== looks);
    const now = live.get("state") === "ready" ? 0 : train.length;
    const older = past.slice(0, now && WORKING.includes(live.get("state")) ? past.length : past.length - 1).slice(-8);
    const until = Math.max(1, ...train.map((r) => r[0]), ...older.map((run) => run.looks.at(-1)[0]));
    const grey = (k) => older.map((run) => ({ name: `${run.number}`, label: `run ${run.number}`, points: run.looks.map((l) => [l[0], l[k]]), past: true, dash: run.number }));
    const high = Math.max(0.5, ...train.slice(0, 3).map((r) => r[1]), ...looks.map((l) => l[1]));
    const smooth = average(train.map((r) => [r[0], r[2]]));
    const end = looks.at(-1);
    loss.draw({ series: [...grey(1), { name: "train", points: train.map((r) => [r[0], r[1]]), colour: 1 }, { name: "val", points: looks.map((l) => [l[0], l[1]]), colour: 0, dash: 0 }],
      x: { label: "step", min: 0, max: until }, y: { label: "loss", min: 0, max: high }, alt: end ? `Loss over steps: on train ${round(train.at(-1)?.[1] ?? NaN, 2)}, on val ${round(end[1], 2)} at step ${end[0]}.` : "Loss over steps: no run yet." });
    accuracy.draw({ series: [...grey(2), { name: "train", points: smooth, colour: 1 }, { name: "val", points: looks.map((l) => [l[0], l[2]]), colour: 0, dash: 0 }],
      x: { label: "step", min: 0, max: until }, y: { label: "accuracy", min: 0, max: 1, say: (v) => percent(v) }, alt: end ? `Accuracy over steps: on val ${percent(end[2], 1)} at step ${end[0]}.` : "Accuracy over steps: no run yet." });
  };
  for (const name of ["change:curve", "change:looks", "change:runs"]) on(live, name, draw);
  return h("div", { class: "columns" }, h("div", {}, h("h4", {}, "Loss (nats)"), loss.node), h("div", {}, h("h4", {}, "Accuracy"), accuracy.node));
}

// The share of hits of a few images jumps; a running mean over a tenth of the steps shows where it goes.
function average(points) {
  const wide = Math.max(1, Math.round(points.length / 10));
  let sum = 0;
  return points.map(([x, y], i) => { sum += y - (i >= wide ? points[i - wide][1] : 0); return [x, sum / Math.min(i + 1, wide)]; });
}

function runs(model, live, on, send) {
  const number = { number: true };
  const table = dataTable("Runs so far; the accuracy on test is measured when you ask for it", [
    { name: "run", ...number }, { name: "frozen", ...number }, { name: "start" }, { name: "images a class", ...number }, { name: "epochs", ...number }, { name: "rate", ...number },
    { name: "you said", ...number, say: (v) => (v < 0 ? "" : `${v} %`) }, { name: "on val", ...number, say: (v) => percent(v, 1) }, { name: "on test" }, { name: "seconds", ...number }, { name: "state" },
    { name: "", skip: true }], { testid: "runs" });
  const draw = () => {
    table.draw(live.get("runs").map((run) => {
      const s = run.settings;
      const more = model.get("network").fixed ? "" : [s.decay < 1 && `decay ${s.decay}`, s.views && `${s.views} views`, s.pull && `pull ${s.pull}`, s.norm !== "train" && `norm ${s.norm}`, s.gradual && "step by step", s.seed && `seed ${s.seed}`].filter(Boolean).join(", ");
      const test = run.test === null ? button("measure", () => send("test", { number: run.number }), { class: "quiet", "data-testid": `test-${run.number}`, "aria-label": `measure run ${run.number} on test` })
        : `${percent(run.test, 1)} (${percent(run.low)} to ${percent(run.high)})`;
      const again = button("Settings", () => send("again", { number: run.number }), { class: "quiet", "data-testid": `again-${run.number}`, "aria-label": `take the settings of run ${run.number}`, title: run.cached || null });
      return [run.number, s.frozen, run.start + (more ? `, ${more}` : ""), run.per_class, model.get("network").fixed ? "" : s.epochs, model.get("network").fixed ? "" : s.lr, s.guess, run.val, test, run.seconds, run.state, again];
    }));
    table.node.hidden = !live.get("runs").length;
  };
  on(live, "change:runs", draw);
  return table.node;
}

function code(model, on) {
  const text = h("pre", { tabindex: 0, "data-testid": "code" }), told = h("span", { class: "soft", role: "status" });
  on(model, "change:code", () => set(text, { text: model.get("code") }));
  const copy = button("Copy", async () => {
    try { await navigator.clipboard.writeText(model.get("code")); set(told, { text: "copied" }); }
    catch { getSelection().selectAllChildren(text); set(told, { text: "selected: press Ctrl+C" }); }
  }, { class: "quiet", "data-testid": "copy" });
  return h("details", { "data-testid": "show-code" }, h("summary", {}, "Show code: the lines that do what Train does now"), text, copy, told);
}

// A look inside a block

function insideView(model, live, on, send, root) {
  const { blocks } = model.get("network");
  const which = h("select", { "aria-label": "block", "data-testid": "inside-block", onchange: () => ask({ block: Number(which.value) }) }, h("option", { value: -1 }, "choose a block"), blocks.map((b, i) => h("option", { value: i }, `${i} ${b.name}`)));
  const body = h("div", { "data-testid": "inside" });
  const now = () => live.get("inside");
  const ask = (change) => { const at = { block: now().block ?? -1, row: now().row ?? 0, ...change }; send("look_inside", at); };
  const turn = (by) => button(by < 0 ? "Previous picture" : "Next picture", () => ask({ row: (now().row + by + now().count) % now().count }), { class: "quiet", disabled: true });
  const back = turn(-1), forth = turn(1);
  on(live, "change:inside", () => {
    const told = now(), open = told.block !== undefined;
    if (document.activeElement !== which) which.value = open ? told.block : -1;
    set(back, { disabled: !open });
    set(forth, { disabled: !open });
    if (!open) return body.replaceChildren();
    const moved = told.moved ? [`Since the start of the last run its weights moved by ${percent(told.moved.weights, 1)} of their length`, told.moved.statistics === null ? "it has no BatchNorm." : `its BatchNorm statistics by ${percent(told.moved.statistics, 1)}.`].join("; ") : "";
    const figure = (part, words) => (part ? h("figure", {}, h("img", { src: part.src, alt: part.alt }), h("figcaption", { class: "soft" }, words ?? part.alt)) : null);
    body.replaceChildren(...[
      h("div", { class: "row top" },
        h("figure", {}, h("img", { src: told.picture, alt: `picture ${told.row + 1} of val: ${told.label}`, width: 112, height: 112 }), h("figcaption", { class: "soft" }, `val ${told.row + 1} of ${told.count}: ${told.label}`)),
        figure(told.maps), told.says ? h("table", {}, h("caption", {}, "what the network says"), h("tbody", {}, told.says.map(([name, share]) => h("tr", {}, h("td", {}, name), h("td", { class: "number" }, percent(share, 1)))))) : null),
      figure(told.filters), moved ? h("p", { class: "soft", "data-testid": "moved" }, moved) : null].filter(Boolean));
  });
  const panel = h("details", { "data-testid": "look-inside", ontoggle: (event) => { if (event.target.open && now().block === undefined) ask({ block: 0 }); } },
    h("summary", {}, "Look inside a block (while this is open, a click on a block shows it here)"), h("div", { class: "row" }, which, back, forth), body);
  root.addEventListener("course-block", (event) => panel.open && ask({ block: event.detail }));
  return panel;
}
