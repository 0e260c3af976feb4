// NegativeTransferLab: gaps to training from scratch as marks with intervals on both sides of a zero line. The rows are
// buttons: a press chooses that source, or that number of images. Which view is shown is the page's own.

const SHAPES = { helps: "0,-7 7,5 -7,5", hurts: "0,7 7,-5 -7,-5" };
const COLOUR = { helps: "var(--c-blue)", hurts: "var(--c-orange)", "not clear": "var(--c-grey)" };
const NEAR = 20;  // points on either side, where the axis is drawn near zero

const signed = (points) => (points > 0 ? "+" : points < 0 ? "\u2212" : "") + Math.abs(points).toFixed(1);
const howWords = (row) => (row.how === "frozen" ? "frozen body" : row.blocks ? `all trained, first ${row.blocks} blocks transferred` : "all trained, body transferred");
const interval = (row) => (row.low === null ? "not known yet" : `${signed(row.low)} to ${signed(row.high)}`);

// The network as chips: what comes from the source, what is random, what trains.
function chips(on, model, live) {
  const node = h("div", { class: "chips", "data-testid": "chips", role: "img" });
  on(model, "change:how change:blocks change:source", draw);
  on(live, "change:shown", draw);
  function draw() {
    const names = live.get("shown").names ?? [], how = model.get("how"), body = names.length - 1;
    const moved = how === "frozen" ? body : model.get("blocks") || body;
    const kinds = names.map((_, i) => (i >= body ? "new, trains" : i >= moved ? "random, trains" : how === "frozen" ? "kept, frozen" : "from source, trains"));
    const text = names.map((name, i) => `${name}: ${kinds[i]}`).join("; ");
    if (node.getAttribute("aria-label") === text) return;
    set(node, { "aria-label": text });
    node.replaceChildren(...names.map((name, i) => h("span", { class: `chip ${kinds[i].split(",")[0].replace(" ", "-")}` }, h("b", {}, name), h("small", {}, kinds[i]))));
  }
  return node;
}

// Rows of marks. rowsOf() gives [{key, name, chosen, main, past, others, choose}].
function forest(rowsOf) {
  const rows = h("div", { class: "rows" }), head = h("svg", { class: "scale", "aria-hidden": "true" }), foot = h("svg", { class: "scale", "aria-hidden": "true" });
  const node = h("div", { class: "forest", role: "group", "aria-label": "gap to training from scratch", "data-testid": "forest" },
    h("div", { class: "line" }, h("span"), head, h("span")), rows, h("div", { class: "line" }, h("span"), foot, h("span")));
  let made = new Map(), near = false;

  const mark = (x, y, verdict, colour) => h("svg", { x: `${x}%`, y, overflow: "visible" },
    SHAPES[verdict] ? h("polygon", { points: SHAPES[verdict], fill: colour }) : h("circle", { r: 5, fill: "var(--c-ground)", stroke: colour, "stroke-width": 2.5 }));

  function draw() {
    const given = rowsOf();
    const ends = given.flatMap(({ main, past }) => [main, past]).filter(Boolean).flatMap((row) => [row.mean, row.low ?? row.mean, row.high ?? row.mean]);
    // One pair has no interval, and two have a very wide one: the axis follows the means more than the ends.
    const means = given.flatMap(({ main, past }) => [main, past]).filter(Boolean).map((row) => row.mean);
    const room = Math.max(10, ...means.map(Math.abs)) * 1.5;
    let low = Math.min(-5, ...ends.map((end) => Math.max(end, -room))), high = Math.max(5, ...ends.map((end) => Math.min(end, room)));
    if (near) [low, high] = [-NEAR, NEAR];
    const wide = high - low, at = (points) => 4 + (92 * (clamp(points, low, high) - low)) / wide, zero = at(0);
    const line = (props) => h("line", { x1: `${zero}%`, x2: `${zero}%`, class: "zero", ...props });
    const keys = given.map((row) => row.key);
    if (keys.join("\n") !== [...made.keys()].join("\n")) {
      made = new Map(given.map((row) => {
        const press = h("button", { type: "button", "data-testid": `row-${row.key}`, onclick: () => made.get(row.key).choose() }, row.name);
        const svg = h("svg", { class: "marks", "aria-hidden": "true" }), words = h("span", { class: "words" });
        return [row.key, { press, svg, words, line: h("div", { class: "line", "data-testid": `gap-${row.key}` }, press, svg, words), choose: row.choose }];
      }));
      rows.replaceChildren(...[...made.values()].map((each) => each.line));
    }
    for (const row of given) {
      const { press, svg, words } = made.get(row.key);
      made.get(row.key).choose = row.choose;
      set(press, { "aria-pressed": String(row.chosen) });
      const parts = [line({ y1: 0, y2: "100%" })];
      for (const other of row.others) parts.push(h("svg", { x: `${at(other.mean)}%`, y: 27, overflow: "visible" }, h("circle", { r: 3, class: "other" }, h("title", {}, other.text))));
      if (row.past) {
        parts.push(h("line", { x1: `${at(row.past.low)}%`, x2: `${at(row.past.high)}%`, y1: 27, y2: 27, class: "past" }), mark(at(row.past.mean), 27, "", "var(--c-past)"));
      }
      const { main } = row;
      if (main) {
        const colour = COLOUR[main.verdict], out = main.mean < low || main.mean > high;
        if (main.low !== null) parts.push(h("line", { x1: `${at(main.low)}%`, x2: `${at(main.high)}%`, y1: 13, y2: 13, stroke: colour, "stroke-width": 3 }));
        parts.push(mark(at(main.mean), 13, main.verdict, colour));
        if (out) parts.push(h("svg", { x: `${at(main.mean)}%`, y: 13, overflow: "visible" }, h("text", { x: main.mean > 0 ? 10 : -10, y: 4, class: main.mean > 0 ? "" : "end" }, main.mean > 0 ? "\u2192" : "\u2190")));
      }
      svg.replaceChildren(...parts);
      const badge = main ? (main.recorded ? "recorded" : `live, ${main.seeds} seed${main.seeds === 1 ? "" : "s"}`) : "";
      const told = main ? [h("b", { class: "verdict", style: `color:${COLOUR[main.verdict]}` }, main.verdict), ` ${signed(main.mean)} `, h("span", { class: "soft" }, `(${interval(main)})`), " ", h("span", { class: "badge", title: main.recorded || "measured on this machine" }, badge)] : [h("span", { class: "soft" }, "not measured yet")];
      if (words.textContent !== told.map((part) => (part.textContent ?? part)).join("")) words.replaceChildren(...told);
    }
    head.replaceChildren(h("text", { x: `${zero}%`, y: 13, class: "middle" }, "from scratch"), h("text", { x: "2%", y: 13 }, zero > 32 ? "\u25BC hurts" : ""), h("text", { x: "98%", y: 13, class: "end" }, zero < 70 ? "helps \u25B2" : ""));
    foot.replaceChildren(h("line", { x1: "4%", x2: "96%", y1: 1, y2: 1, class: "axisline" }), ...ticks(low, high, 4).flatMap((points) => [h("line", { x1: `${at(points)}%`, x2: `${at(points)}%`, y1: 1, y2: 5, class: "axisline" }), h("text", { x: `${at(points)}%`, y: 17, class: "middle" }, points > 0 ? `+${points}` : `${points}`.replace("-", "\u2212"))]));
  }
  return { node, draw, zoom: (value) => { near = value; draw(); } };
}

export default lab("NegativeTransferLab", ({ model, live, root, on, send }) => {
  root.classList.add("transfer-lab");
  const shown = () => live.get("shown");
  const options = (list, words = String) => list.map((value) => [value, words(value)]);
  const filled = {  // lists that the kernel brings
    source: () => options(shown().choices ?? [model.get("source")], (name) => (name === "random" ? "random (has seen nothing)" : name)),
    per_class: () => options(shown().sizes ?? [model.get("per_class")]),
    span: () => options(shown().spans ?? [model.get("span")]),
    blocks: () => [[0, "the whole body"], ...(shown().names ?? []).slice(0, -2).map((name, i) => [i + 1, i ? `first ${i + 1} blocks, to ${name}` : `the first block, ${name}`])],
  };
  const list = (trait, words) => field(on, model, trait, words, { kind: "select", choices: filled[trait] });
  const source = list("source", "source"), perClass = list("per_class", "images per class");
  const how = field(on, model, "how", "transfer", { kind: "select", choices: [["frozen", "frozen body, a new head trains"], ["tuned", "weights as a start, all blocks train"]] });
  const blocks = list("blocks", "how much"), span = list("span", "measure");
  const seeds = field(on, model, "seeds", "seeds", { min: 2, max: 50, step: 1, say: (v) => `${v} pairs` });

  let view = "sources", near = false;
  const views = [["sources", "over sources"], ["sizes", "over images per class"]].map(([name, words]) => button(words, () => { view = name; draw(); }, { "data-testid": `view-${name}` }));
  const zoom = button(`near zero (\u00b1 ${NEAR} points)`, () => { near = !near; plot.zoom(near); draw(); }, { "data-testid": "near" });
  const title = h("h4", {});
  const plot = forest(() => {
    const { rows = [], choices = [], sizes = [] } = shown();
    const now = { source: model.get("source"), n: model.get("per_class"), how: model.get("how"), blocks: model.get("how") === "tuned" ? model.get("blocks") : 0 };
    const same = (row, where) => Object.entries(where).every(([key, value]) => row[key] === value);
    const over = view === "sources" ? choices.filter((name) => name !== "random" || now.how === "frozen").map((name) => ({ key: name, name, trait: "source", where: { source: name } }))
      : [...new Set([...sizes, ...rows.map((row) => row.n)])].sort((a, b) => a - b).map((n) => ({ key: String(n), name: `${n} per class`, trait: "per_class", where: { n } }));
    return over.map(({ key, name, trait, where }) => {
      const wanted = { ...now, ...where }, fits = rows.filter((row) => same(row, wanted));
      const others = rows.filter((row) => same(row, view === "sources" ? where : { source: now.source, ...where }) && !fits.includes(row));
      const value = Object.values(where)[0];
      return { key, name, chosen: value === (trait === "source" ? now.source : now.n), main: fits.find((row) => !row.past), past: fits.find((row) => row.past), others, choose: () => put(model, { [trait]: value }) };
    });
  });
  const key = h("p", { class: "soft" }, "Marks: mean gap in percentage points, test accuracy of transfer minus that from scratch, with the same training images and seeds; bars: 95 % intervals (Student's t over the pairs, and the test images). Grey dots: the same row with other settings; a grey bar: recorded, now measured live.");
  const table = dataTable("all results", [{ name: "source" }, { name: "images per class", number: true }, { name: "how" }, { name: "transfer", number: true, say: (v) => percent(v, 1) }, { name: "from scratch", number: true, say: (v) => percent(v, 1) },
    { name: "gap", number: true, say: signed }, { name: "low", number: true, say: signed }, { name: "high", number: true, say: signed }, { name: "verdict" }, { name: "seeds", number: true }, { name: "measured" }], { file: "gaps.csv" });
  const short = (value) => (value === "" ? "no old head" : `${Number(value.toPrecision(3))}`.replace("-", "\u2212"));
  const scored = dataTable("scores on training images, higher is better; gap of a frozen body", [{ name: "source" }, { name: "images per class", number: true }, { name: "nearest class mean", number: true, say: (v) => percent(v, 1) },
    ...["LogME", "H-score", "alignment", "LEEP", "NCE"].map((name) => ({ name, number: true, say: short })), { name: "gap (points)" }], { testid: "scores", file: "scores.csv" });
  const ask = button("Score the sources", () => send("score"), { "data-testid": "score" });
  const code = h("pre", { "data-testid": "code" }), copied = h("span", { role: "status", class: "soft" });
  const copy = button("Copy", async () => {
    try { await navigator.clipboard.writeText(code.textContent); set(copied, { text: "copied" }); } catch {
      window.getSelection().selectAllChildren(code);
      set(copied, { text: "selected: copy it with Ctrl+C" });
    }
    setTimeout(() => set(copied, { text: "" }), 3000);
  });
  root.append(
    h("div", { class: "row" }, source, perClass, how, blocks), chips(on, model, live), h("div", { class: "row" }, span, seeds), runButtons(on, live, send, ["train", "stop", "reset"]), statusBar(on, live),
    h("div", { class: "row", role: "group", "aria-label": "view" }, views, zoom), title, plot.node, key,
    h("details", { "data-testid": "show-table" }, h("summary", {}, "All results as a table"), table.node),
    h("details", { "data-testid": "show-scores" }, h("summary", {}, "Scores that warn beforehand"),
      h("p", { class: "soft" }, "From training images and labels alone: nothing is trained. With few images a score may be luck; LEEP and NCE ask the old head of the source."),
      h("div", { class: "row" }, ask), scored.node),
    h("details", { "data-testid": "show-code" }, h("summary", {}, "Show code"), code, h("div", { class: "row" }, copy, copied)));

  // A list that is open under the reader's hand stays as it is while nothing in it changes.
  const lists = [[source, "source"], [perClass, "per_class"], [blocks, "blocks"], [span, "span"]].map(([node, trait]) => ({ select: node.querySelector("select"), trait, now: "" }));
  function refill() {
    for (const list of lists) {
      const wanted = JSON.stringify(filled[list.trait]());
      if (list.now === wanted) continue;
      list.now = wanted;
      list.select.replaceChildren(...filled[list.trait]().map(([value, words]) => h("option", { value: String(value) }, words)));
      list.select.value = String(model.get(list.trait));
    }
  }
  function draw() {
    const { rows = [], code: lines = "" } = shown();
    const tuned = model.get("how") === "tuned";
    set(blocks, { hidden: !tuned });
    for (const option of source.querySelectorAll("option")) set(option, { disabled: tuned && option.value === "random" });
    for (const option of how.querySelectorAll("option")) set(option, { disabled: option.value === "tuned" && model.get("source") === "random" });
    views.forEach((one, i) => set(one, { "aria-pressed": String(view === ["sources", "sizes"][i]) }));
    set(zoom, { "aria-pressed": String(near) });
    const way = tuned ? `all blocks train, ${model.get("blocks") ? `first ${model.get("blocks")} transferred` : "body transferred"}` : "frozen body";
    set(title, { text: `Gap to training from scratch, ${way}, ${view === "sources" ? `${model.get("per_class")} images per class` : `source ${model.get("source")}`}` });
    plot.draw();
    table.draw(rows.map((row) => [row.source, row.n, howWords(row), row.transfer, row.scratch, row.mean, row.low, row.high, row.verdict, row.seeds, row.recorded ? `recorded: ${row.recorded}` : "live"]));
    scored.draw((shown().scored ?? []).map((row) => [row.source, row.n, ...row.scores.map((value) => value ?? ""), row.gap]));
    set(code, { text: lines });
  }
  on(live, "change:shown", () => { refill(); draw(); });
  on(model, "change:source change:per_class change:how change:blocks", draw);
  on(live, "change:state", () => {
    const working = WORKING.includes(live.get("state"));
    for (const node of [span, seeds]) set(node.querySelector("select, input"), { disabled: working });
    set(ask, { disabled: working });
  });
});
