// TryModel: pictures in by drop, choice, paste or camera; out come the classes as labelled bars, beside the picture as the network sees it.

export default lab("Try a model", ({ model, live, root, on, send, undo }) => {
  root.classList.add("try-model");
  const EVERY = 500;  // milliseconds between two live answers, or more where the kernel takes longer
  const about = live.get("shown").about;
  let chosen = null, newest = 0, running = false;

  const chip = h("div", { role: "alert", class: "error", "data-testid": "error", hidden: true });
  const complain = (text) => set(chip, { text, hidden: !text });
  on(live, "change:error", () => complain(live.get("error")));

  let upload = null;
  const bars = progressBox(() => upload);
  upload = uploader({ model, on, undo, changed: () => upload && bars.draw() });
  const frames = uploader({ model, on, undo, changed: () => {} });
  const give = (found) => { complain(""); stopLive(); if (found.length) upload.add(found.map(({ file }) => ({ file }))); };

  const input = h("input", { type: "file", multiple: true, accept: "image/*", hidden: true, "data-testid": "input", onchange: () => give(filesChosen(input)) });
  const choose = button("Choose pictures", () => input.click(), { class: "primary", "data-testid": "choose" });
  const open = button("Camera", () => {
    if (!cam.node.hidden) { cam.close(""); return; }
    set(why, { hidden: true });
    set(open, { "aria-pressed": "true" });
    cam.open("The browser asks whether this page may use the camera.");
  }, { "aria-pressed": "false", hidden: !hasCamera(), "data-testid": "camera-open" });
  const liveButton = button("Live answers", () => (running ? stopLive() : startLive()), { "aria-pressed": "false", "data-testid": "live" });
  const why = h("p", { class: "error", role: "alert", hidden: true, "data-testid": "words" });
  const cam = camera({
    undo, series: false, more: [liveButton],
    taken: (file) => give([{ file }]),
    opened: () => cam.say("Space or Enter takes a picture, Escape switches the camera off."),
    closed: (text) => {
      stopLive();
      set(why, { text, hidden: !text });
      set(open, { "aria-pressed": "false" });
      if (cam && cam.node.contains(document.activeElement) || document.activeElement === document.body) open.focus();
    },
  });
  const area = h("div", { class: "drop wide", tabindex: 0, role: "group", "aria-label": "drop or paste pictures here", "data-testid": "drop" },
    h("div", { class: "row" }, choose, open, input),
    h("p", { class: "soft" }, "Or drop pictures here, or click here and paste one with Ctrl+V."), why, cam.node);
  dropTarget(area, give, complain);
  root.addEventListener("paste", async (event) => {
    const files = [...(event.clipboardData?.items ?? [])].filter((item) => item.kind === "file").map((item) => ({ file: item.getAsFile() })).filter(({ file }) => file);
    if (!files.length) { if (area.contains(event.target)) complain("The clipboard holds no picture."); return; }
    event.preventDefault();
    event.stopPropagation();
    give(files);
  });

  async function startLive() {
    if (running || !cam.on()) return;
    running = true;
    complain("");
    set(liveButton, { "aria-pressed": "true", text: "Stop live answers" });
    draw();
    while (running) {
      const began = Date.now(), file = await cam.file(320, "camera.jpg");
      if (file && running) await frames.add([{ file, label: "live" }]);
      await new Promise((then) => setTimeout(then, Math.max(50, EVERY - (Date.now() - began))));
    }
  }
  function stopLive() {
    if (!running) return;
    running = false;
    frames.cancel();
    set(liveButton, { "aria-pressed": "false", text: "Live answers" });
    draw();
  }

  // The answer that is looked at.
  const image = h("img", { class: "seen", "data-testid": "seen" });
  const small = h("figcaption", { class: "soft" }), figure = h("figure", {}, image, small);
  const said = h("p", { class: "answer", "data-testid": "answer" }), reason = h("p", { class: "soft", "data-testid": "reason" });
  const ranked = h("ol", { class: "bars", "aria-label": "classes with their probability", "data-testid": "bars" });
  const box = h("div", { class: "answerbox" }, figure, h("div", { class: "says" }, said, reason, ranked));
  const nothing = h("p", { class: "soft empty" }, "The answer comes here.");
  function fill(entry) {
    set(image, { src: entry.square, alt: `${entry.name} as the network sees it` });
    const size = live.get("shown").size;
    set(small, { text: `${entry.name} as the network sees it: cut square, ${size} × ${size} pixels` });
    image.classList.toggle("coarse", size < 128);
    set(said, { text: entry.none ? "none of these" : `${entry.label}, ${percent(entry.probability)}`, class: `answer ${entry.none ? "none" : ""}` });
    set(reason, { text: entry.reason && `${entry.reason[0].toUpperCase()}${entry.reason.slice(1)}.`, hidden: !entry.reason });
    while (ranked.children.length < entry.ranked.length) ranked.append(h("li", {}, h("span", { class: "name" }), h("span", { class: "track", "aria-hidden": "true" }, h("span", { class: "bar" })), h("span", { class: "share" })));
    while (ranked.children.length > entry.ranked.length) ranked.lastChild.remove();
    entry.ranked.forEach(([name, share], i) => {
      const [label, track, value] = ranked.children[i].children;
      set(label, { text: name });
      track.firstChild.style.width = `${100 * share}%`;
      set(value, { text: percent(share, share > 0.995 || share < 0.005 ? 1 : 0) });
    });
  }

  // Several pictures: a row each; a click shows its picture and bars above.
  const body = h("tbody", { "data-testid": "rows" });
  const table = h("div", { class: "tablebox" }, h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "answers" },
    h("table", {}, h("thead", {}, h("tr", {}, ["picture", "answer", "probability", "next"].map((text, i) => h("th", { scope: "col", class: i === 3 ? "fourth" : null }, text)))), body)),
    button("Clear", () => { send("clear"); choose.focus(); }, { class: "quiet" }));
  const rows = new Map();
  function row(entry) {
    if (entry.problem) return { pick: null, node: h("tr", {}, h("td", { class: "file" }, h("span", { class: "long", title: entry.name }, entry.name)), h("td", { colspan: 3 }, `${entry.problem}.`)) };
    const pick = button(entry.name, () => { chosen = entry.id; draw(); }, { class: "quiet pick", title: entry.name, "data-testid": "pick" });
    const name = h("td", { class: "file" }, entry.square ? h("img", { class: "mini", src: entry.square, alt: "" }) : null, pick);
    const second = entry.ranked[1];
    return { pick, node: h("tr", {}, name, h("td", {}, entry.label), h("td", { class: "number" }, entry.none ? "" : percent(entry.probability)), h("td", { class: "fourth" }, entry.none ? `${entry.ranked[0][0]} ${percent(entry.ranked[0][1])}` : second ? `${second[0]} ${percent(second[1])}` : "")) };
  }
  const status = h("div", { role: "status", class: "status", tabindex: -1, "data-testid": "status", "data-state": "ready" });
  function draw() {
    const entries = live.get("shown").entries ?? [], ids = new Set(entries.map((entry) => entry.id));
    for (const [id, made] of rows) if (!ids.has(id)) { made.node.remove(); rows.delete(id); }
    entries.forEach((entry, i) => {
      if (!rows.has(entry.id)) rows.set(entry.id, row(entry));
      if (body.children[i] !== rows.get(entry.id).node) body.insertBefore(rows.get(entry.id).node, body.children[i] ?? null);
    });
    const good = entries.filter((entry) => !entry.problem);
    if ((entries[0]?.id ?? 0) > newest) { newest = entries[0].id; chosen = good[0]?.id ?? null; }
    const now = running ? live.get("now") : good.find((entry) => entry.id === chosen) ?? good[0];
    const any = Boolean(now && now.square);
    set(box, { hidden: !any });
    set(nothing, { hidden: any });
    if (any) fill(now);
    for (const [id, made] of rows) if (made.pick) set(made.pick, { "aria-pressed": String(!running && any && now.id === id) });
    set(table, { hidden: entries.length < 2 && !entries.some((entry) => entry.problem) });
    set(status, { text: running ? "Live: the answer follows the camera." : live.get("status") });
  }

  const classes = about.classes.length > 20 ? `${about.classes.slice(0, 20).join(", ")} and ${about.classes.length - 20} more` : about.classes.join(", ");
  const card = h("div", { class: "about", "data-testid": "about" }, h("h4", {}, about.name),
    h("p", { class: "soft" }, `${about.classes.length} classes: ${classes}.`), about.works.map((text) => h("p", { class: "soft" }, text)),
    about.doubts.length ? h("details", { class: "soft" }, h("summary", {}, "When not to trust it"), h("ul", {}, about.doubts.map((text) => h("li", {}, text)))) : null);
  root.append(card, h("div", { class: "columns" }, h("div", {}, area, bars.node), h("div", {}, nothing, box)), status, chip, table);
  root.append(h("p", { class: "soft" }, "Pictures go to Python on the machine that serves this page, are not kept, and go nowhere else."));
  if (!hasCamera()) root.append(h("p", { class: "soft", "data-testid": "no-camera" }, NO_CAMERA));
  on(live, "change:shown change:now change:status", draw);
});
