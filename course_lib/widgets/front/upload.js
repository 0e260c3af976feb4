// Files from the page to the kernel, in pieces, the next ones when the kernel has answered (widgets/incoming.py).
// Functions are known from the start of a module, so this may follow the widget's own script.

// uploader({model, on, undo, changed, refused}): add([{file, label}]), cancel(), state().
// changed() is called when something moved; refused(name, why) when the kernel did not want a file.
function uploader({ model, on, undo, changed, refused = () => {} }) {
  const PIECE = 512 * 1024;  // bytes; a message may have 10 MB, and 512 kB keep everything else quick
  const AHEAD = 4;           // pieces of a file that are sent before the kernel has answered
  const AT_ONCE = 3;         // files under way together: small ones would else wait for one answer each
  const PATIENCE = 4000;     // milliseconds without an answer, after which the page says what it waits for
  const waiting = [], going = new Map();
  let total = 0, ended = 0, answered = 0, stalled = false, serial = 0;
  const own = Math.random().toString(36).slice(2, 10);
  const watch = setInterval(() => {
    const now = going.size > 0 && Date.now() - answered > PATIENCE;
    if (now !== stalled) { stalled = now; changed(); }
  }, 500);
  undo.push(() => { clearInterval(watch); cancel(); });

  async function piece(item) {
    const bytes = await item.file.slice(item.at, item.at + PIECE).arrayBuffer();
    if (item.over) return;
    const about = { id: item.id, name: item.name, label: item.label, size: item.size, at: item.at };
    item.at += bytes.byteLength;
    item.out += 1;
    model.send({ piece: about }, undefined, [bytes]);
  }

  async function go(item) {
    try {
      await piece(item);  // the first one asks whether the file is wanted
      while (!item.over && item.at < item.size) {
        if (!item.came || item.out >= AHEAD) await new Promise((wake) => { item.wake = wake; });
        else await piece(item);
      }
    } catch (error) {  // the file was moved, changed or locked since it was chosen
      model.send({ do: "unreadable", with: { name: item.name, label: item.label, why: error.name } });
      model.send({ do: "cancel", with: { ids: [item.id] } });
      finish(item);
    }
  }

  function finish(item) {
    if (item.over) return;
    item.over = true;
    going.delete(item.id);
    ended += 1;
    if (item.wake) item.wake();
    if (item.then) item.then();
    fill();
    changed();
  }

  function fill() {
    while (waiting.length && going.size < AT_ONCE) {
      const item = waiting.shift();
      if (!going.size) answered = Date.now();
      going.set(item.id, item);
      go(item);
    }
    if (!going.size) { total = 0; ended = 0; stalled = false; }
  }

  on(model, "msg:custom", (message) => {
    const item = message && going.get(message.got);
    if (!item) return;  // of another view of the same widget, or given up
    answered = Date.now();
    stalled = false;
    item.came = true;
    item.out -= 1;
    item.done = message.bytes;
    if (message.state === "refused") refused(item.name, message.said);
    if (message.state !== "more") finish(item);
    else if (item.wake) { const wake = item.wake; item.wake = null; wake(); }
    changed();
  });

  // files: [{file, label, name?}]; the promise ends when all have been answered.
  function add(files) {
    const all = files.map(({ file, label = "", name = file.name }) => new Promise((then) => {
      waiting.push({ id: `${own}-${++serial}`, file, label, name, size: file.size, at: 0, out: 0, done: 0, came: false, over: false, then });
    }));
    total += files.length;
    fill();
    changed();
    return Promise.all(all);
  }

  function cancel() {
    const items = [...going.values()];
    for (const item of waiting.splice(0)) { ended += 1; item.then(); }
    if (items.length) model.send({ do: "cancel", with: { ids: items.map((item) => item.id) } });
    items.forEach(finish);
    changed();
  }

  const state = () => ({ total, ended, stalled, going: [...going.values()].map(({ name, done, size }) => ({ name, done, size })) });
  return { add, cancel, state };
}

// What is under way: a bar for all, one for each file that goes just now, and a way to give up.
function progressBox(upload) {
  const words = h("p", { class: "soft", "data-testid": "progress-words" }), list = h("ul", { class: "going" });
  const bar = h("progress", { max: 1, "aria-label": "files sent", value: 0 });
  const give = button("Cancel", () => upload().cancel(), { "data-testid": "cancel", class: "quiet" });
  const node = h("div", { class: "uploading", hidden: true, "data-testid": "uploading" }, h("div", { class: "row" }, bar, give), words, list);
  const draw = () => {
    const { total, ended, stalled, going } = upload().state();
    if (!going.length && node.contains(document.activeElement)) node.closest("section")?.querySelector("[data-testid=status]")?.focus();
    set(node, { hidden: !going.length });
    if (!going.length) return;
    const part = going.reduce((sum, item) => sum + (item.size ? item.done / item.size : 0), 0);
    bar.value = (ended + part) / total;
    set(words, { text: stalled ? "Waiting for the kernel: it takes files when the cell that runs has ended." : `${ended} of ${total} ${total === 1 ? "file" : "files"}` });
    while (list.children.length < going.length) list.append(h("li", {}, h("span", { class: "name" }), h("progress", { max: 1 })));
    while (list.children.length > going.length) list.lastChild.remove();
    going.forEach((item, i) => {
      const [name, one] = list.children[i].children;
      set(name, { text: item.size && item.done >= item.size ? `${item.name} (being read)` : item.name });
      set(one, { "aria-label": item.name });
      one.value = item.size ? item.done / item.size : 0;
    });
  };
  return { node, draw };
}

// The files of a drop or a paste, folders opened: [{file, path: [names of the folders]}].
async function filesOf(transfer) {
  const found = [];
  const walk = async (entry, path) => {
    if (entry.isFile) {
      found.push({ file: await new Promise((good, bad) => entry.file(good, bad)), path });
      return;
    }
    const reader = entry.createReader();
    for (;;) {  // a browser gives a hundred at a time, until none is left
      const some = await new Promise((good, bad) => reader.readEntries(good, bad));
      if (!some.length) return;
      for (const inner of some) await walk(inner, [...path, entry.name]);
    }
  };
  // Entries are gone when the event is over, so all are taken before the first wait.
  const items = [...(transfer.items ?? [])].filter((item) => item.kind === "file")
    .map((item) => ({ entry: item.webkitGetAsEntry ? item.webkitGetAsEntry() : null, file: item.getAsFile() }));
  for (const { entry, file } of items) {
    if (entry) await walk(entry, []);
    else if (file) found.push({ file, path: [] });
  }
  if (!items.length) for (const file of transfer.files ?? []) found.push({ file, path: [] });
  return found;
}

// The files of a chooser; of a folder's chooser with the names of their folders.
function filesChosen(input) {
  const found = [...input.files].map((file) => ({ file, path: (file.webkitRelativePath || "").split("/").slice(0, -1) }));
  input.value = "";  // so that the same file can be chosen again
  return found;
}

// Make a node take drops: take(files) gets what filesOf found; no drop reaches the notebook below.
function dropTarget(node, take, failed) {
  let depth = 0;  // enter and leave are told for each child, too
  const files = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");
  const over = (yes) => node.classList.toggle("over", yes);
  node.addEventListener("dragenter", (event) => { if (files(event)) { event.preventDefault(); event.stopPropagation(); depth += 1; over(true); } });
  node.addEventListener("dragover", (event) => { if (files(event)) { event.preventDefault(); event.stopPropagation(); event.dataTransfer.dropEffect = "copy"; } });
  node.addEventListener("dragleave", () => { depth = Math.max(0, depth - 1); if (!depth) over(false); });
  node.addEventListener("drop", async (event) => {
    if (!files(event)) return;
    event.preventDefault();
    event.stopPropagation();
    depth = 0;
    over(false);
    try { take(await filesOf(event.dataTransfer)); } catch (error) { failed(`The browser could not read what was dropped (${error.name}). Choose the files with the button.`); }
  });
  return node;
}
