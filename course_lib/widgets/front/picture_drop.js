// PictureDrop: a card for each class takes drops, chosen files and pictures of the camera; below, folders and zips of whole sets.

export default lab("Your own pictures", ({ model, live, root, on, send, undo }) => {
  root.classList.add("picture-drop");
  const FEW = 12, ASK = 60;
  const shown = () => live.get("shown");
  const cards = new Map(), thumbs = new Map(), wanted = new Map();
  const where = h("p", { class: "soft", "data-testid": "where" });
  const list = h("div", { class: "cards" });
  const status = h("div", { role: "status", class: "status", tabindex: -1, "data-testid": "status", "data-state": "ready" });
  const chip = h("div", { role: "alert", class: "error", "data-testid": "error", hidden: true });
  const complain = (text) => set(chip, { text, hidden: !text });
  on(live, "change:error", () => complain(live.get("error")));

  let upload = null;
  const bars = progressBox(() => upload);
  upload = uploader({ model, on, undo, changed: () => upload && bars.draw(), refused: () => {} });

  // Where a file goes that came with the folder it lay in: its class has the folder's name.
  const byFolder = (found) => {
    const loose = found.filter(({ file, path }) => !path.length && !/\.zip$/i.test(file.name));
    complain(loose.length ? `${loose.length === 1 ? loose[0].file.name : `${loose.length} files`} came without a class: drop pictures on the class that they show.` : "");
    const files = found.filter(({ file, path }) => path.length || /\.zip$/i.test(file.name));
    if (files.length) upload.add(files.map(({ file, path }) => ({ file, label: path[path.length - 1] ?? "" })));
  };
  const into = (label, found) => { complain(""); if (found.length) upload.add(found.map(({ file }) => ({ file, label }))); };

  // Camera: one for all classes, in the card that asked for it.
  let seen = "";
  const cam = camera({
    undo,
    taken: (file) => into(seen, [{ file }]),
    closed: (why) => {
      const card = cards.get(seen);
      if (!card) { if (why) complain(why); return; }
      say(card, why);
      if (cam && cam.node.contains(document.activeElement) || document.activeElement === document.body) card.camera.focus();
      set(card.camera, { "aria-pressed": "false" });
    },
    opened: () => cam.say("Space or Enter takes a picture, Escape switches the camera off."),
  });
  const say = (card, text) => set(card.words, { text, hidden: !text });
  const film = (name) => {
    if (!cam.node.hidden) { const same = seen === name; cam.close(""); if (same) return; }
    seen = name;
    const card = cards.get(name);
    say(card, "");
    card.panel.append(cam.node);
    set(cam.node, { "aria-label": `camera for ${name}` });
    set(card.camera, { "aria-pressed": "true" });
    cam.open("The browser asks whether this page may use the camera.");
  };

  // Small pictures come by message, asked for when they are shown: 500 of them would make each update heavy.
  let asking = 0;
  const key = (label, name) => `${label}/${name}`;
  function ask(label, name, tile) {
    wanted.set(key(label, name), { label, name, tile });
    asking ||= setTimeout(() => {
      asking = 0;
      const pairs = [...wanted.values()].map((want) => [want.label, want.name]);
      for (let i = 0; i < pairs.length; i += ASK) send("thumbs", { wanted: pairs.slice(i, i + ASK) });
    }, 30);
  }
  on(model, "msg:custom", (message, buffers) => {
    if (!message || !message.thumb) return;
    const at = key(...message.thumb), want = wanted.get(at);
    wanted.delete(at);
    if (!message.readable) { if (want) set(want.tile.none, { hidden: false }); return; }
    if (!thumbs.has(at)) thumbs.set(at, URL.createObjectURL(new Blob([buffers[0]], { type: "image/jpeg" })));
    if (want) set(want.tile.image, { src: thumbs.get(at), hidden: false });
  });
  undo.push(() => { clearTimeout(asking); for (const url of thumbs.values()) URL.revokeObjectURL(url); });

  function makeTile(card, name) {
    const image = h("img", { alt: name, hidden: true }), none = h("span", { class: "none", hidden: true }, "no picture");
    const press = () => {
      const others = [...card.files.children], at = others.indexOf(tile.node);
      const next = others[at + 1] ?? others[at - 1];
      send("remove", { label: card.name, name });
      (next ? next.querySelector("button") : card.choose).focus();
    };
    const off = button("×", press, { class: "off", "aria-label": `Remove ${name} from ${card.name}`, title: `Remove ${name}`, "data-testid": "remove" });
    const tile = { name, image, none, off, node: h("li", { class: "tile", title: name, "data-testid": "tile" }, image, none, off) };
    if (thumbs.has(key(card.name, name))) set(image, { src: thumbs.get(key(card.name, name)), hidden: false });
    else ask(card.name, name, tile);
    return tile;
  }

  function makeCard(name) {
    const card = { name, all: false, tiles: new Map() };
    const input = h("input", { type: "file", multiple: true, accept: "image/*", hidden: true, "data-testid": `input-${name}`, onchange: () => into(name, filesChosen(input)) });
    card.choose = button("Choose files", () => input.click(), { "aria-label": `Choose pictures for ${name}`, "data-testid": `choose-${name}` });
    card.camera = button("Camera", () => film(name), { "aria-label": `Camera for ${name}`, "aria-pressed": "false", hidden: !hasCamera(), "data-testid": `camera-${name}` });
    card.count = h("span", { class: "soft" });
    card.rename = button("Rename", () => edit(true), { class: "quiet", "aria-label": `Rename ${name}`, "data-testid": `rename-${name}` });
    card.away = button("Remove class", () => { send("remove_class", { name }); adding.focus(); }, { class: "quiet", "aria-label": `Remove the class ${name}`, "data-testid": `remove-${name}` });
    const field = h("input", { type: "text", value: name, maxlength: 60, "aria-label": `new name for ${name}`, "data-testid": `name-${name}` });
    const form = h("form", { class: "row", hidden: true, onsubmit: (event) => {
      event.preventDefault();
      if (field.value.trim() && field.value.trim() !== name) { send("rename_class", { old: name, new: field.value.trim() }); heading = field.value.trim(); }
      edit(false);
    } }, field, h("button", { type: "submit" }, "Save"), button("Cancel", () => edit(false), { class: "quiet" }));
    form.addEventListener("keydown", (event) => { if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); edit(false); } });
    byEnter(form, field);
    const head = h("div", { class: "row head" }, h("h4", {}, name), card.count, h("span", { class: "grow" }), card.rename, card.away);
    const edit = (open) => {
      set(form, { hidden: !open });
      set(head, { hidden: open });
      if (open) { field.value = name; field.focus(); field.select(); } else card.rename.focus();
    };
    card.files = h("ul", { class: "tiles", "aria-label": `pictures of ${name}` });
    card.more = button("Show all", () => { card.all = !card.all; draw(card); }, { class: "quiet", hidden: true, "data-testid": `more-${name}` });
    card.words = h("p", { class: "error", role: "alert", hidden: true, "data-testid": `words-${name}` });
    card.panel = h("div", {});
    card.node = h("div", { class: "drop card", role: "group", "aria-label": `class ${name}`, "data-testid": `drop-${name}` },
      head, form, h("div", { class: "row" }, card.choose, card.camera, h("span", { class: "soft hint" }, "or drop pictures here"), input), card.words, card.panel, card.files, card.more);
    dropTarget(card.node, (found) => into(name, found), complain);
    return card;
  }

  function draw(card) {
    const names = card.all ? card.info.files : card.info.files.slice(0, FEW);
    const keep = new Set(names);
    for (const [name, tile] of card.tiles) if (!keep.has(name)) { tile.node.remove(); card.tiles.delete(name); }
    names.forEach((name, i) => {
      if (!card.tiles.has(name)) card.tiles.set(name, makeTile(card, name));
      const node = card.tiles.get(name).node;
      if (card.files.children[i] !== node) card.files.insertBefore(node, card.files.children[i] ?? null);
    });
    const { count, files } = card.info;
    set(card.count, { text: `${thousands(count)} ${count === 1 ? "picture" : "pictures"}` });
    set(card.files, { hidden: !count });
    set(card.away, { hidden: count > 0 });
    const rest = count > files.length ? ` (the newest ${files.length} of ${thousands(count)})` : "";
    set(card.more, { hidden: count <= FEW, text: card.all ? "Show fewer" : `Show all ${thousands(count)}${rest}` });
  }

  // JupyterLab does not let Enter send a form, so it is done by hand.
  function byEnter(form, field) {
    field.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); form.requestSubmit(); } });
  }

  // A class of one's own.
  const adding = h("input", { type: "text", maxlength: 60, placeholder: "such as cat", "aria-label": "name of a new class", "data-testid": "class-name" });
  const form = h("form", { class: "row", onsubmit: (event) => {
    event.preventDefault();
    const name = adding.value.trim();
    if (!name) { complain("Type the name of the class first."); adding.focus(); return; }
    adding.value = "";
    complain("");
    send("add_class", { name });
  } }, h("label", {}, "New class ", adding), h("button", { type: "submit", "data-testid": "add-class" }, "Add class"));
  byEnter(form, adding);

  // Whole sets.
  const folder = h("input", { type: "file", webkitdirectory: true, multiple: true, hidden: true, "data-testid": "input-folder", onchange: () => byFolder(filesChosen(folder)) });
  const zip = h("input", { type: "file", accept: ".zip", hidden: true, "data-testid": "input-zip", onchange: () => byFolder(filesChosen(zip)) });
  const whole = h("div", { class: "drop whole", role: "group", "aria-label": "a whole set", "data-testid": "drop-whole" },
    h("div", { class: "row" }, h("strong", {}, "A whole set"), button("Choose a folder", () => folder.click()), button("Choose a zip", () => zip.click()), h("span", { class: "soft hint" }, "or drop one here"), folder, zip),
    h("p", { class: "soft" }, "Each folder that holds pictures becomes a class of its name."));
  dropTarget(whole, byFolder, complain);

  const back = button("Undo", () => { complain(""); send("undo"); status.focus(); }, { class: "quiet", "data-testid": "undo" });
  const gone = h("span", { class: "soft" });
  const undoRow = h("div", { class: "row", hidden: true, role: "group", "aria-label": "removed" }, gone, back);
  const problems = h("tbody", { "data-testid": "problems" }), summary = h("summary", {});
  const left = h("details", { open: true, hidden: true, "data-testid": "left-out" }, summary,
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "files that were left out" },
      h("table", {}, h("thead", {}, h("tr", {}, ["file", "what is wrong", "what to do"].map((text) => h("th", { scope: "col" }, text)))), problems)));
  root.append(where, list, form, whole, bars.node, h("div", { class: "row" }, status, undoRow), chip, left);
  if (!hasCamera()) root.append(h("p", { class: "soft", "data-testid": "no-camera" }, NO_CAMERA));

  let heading = "";  // the class that was renamed just now: it keeps the focus
  on(live, "change:shown change:status", () => {
    const now = shown();
    set(where, { text: `Pictures are copied into ${now.folder} on the machine that runs this notebook, and go nowhere else.` });
    const names = new Set(now.classes.map((info) => info.name));
    for (const [name, card] of cards) {
      if (names.has(name)) continue;
      if (seen === name && !cam.node.hidden) cam.close("");
      card.node.remove();
      cards.delete(name);
    }
    now.classes.forEach((info, i) => {
      if (!cards.has(info.name)) cards.set(info.name, makeCard(info.name));
      const card = cards.get(info.name);
      if (list.children[i] !== card.node) list.insertBefore(card.node, list.children[i] ?? null);
      card.info = info;
      draw(card);
      if (heading === info.name) { heading = ""; card.rename.focus(); }
    });
    set(list, { hidden: !now.classes.length });
    set(status, { text: live.get("status") });
    set(undoRow, { hidden: !now.undo });
    set(gone, { text: `${now.undo} was removed.` });
    set(left, { hidden: !now.left_out });
    const listed = now.problems.length < now.left_out ? `, the last ${now.problems.length} of them here` : "";
    set(summary, { text: `${now.left_out} ${now.left_out === 1 ? "file was" : "files were"} left out${listed}` });
    problems.replaceChildren(...now.problems.map((row) => h("tr", {}, row.map((text) => h("td", {}, text)))));
  });
});
