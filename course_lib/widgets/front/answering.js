// What Predict, Quiz and Exercise share. It follows the widget's own script: functions are known from the start of a module.

// Text with `code` in it as nodes.
function rich(text) {
  return String(text).split("`").map((part, i) => (i % 2 ? h("code", {}, part) : part));
}

// A name that no other widget on the page has: radio buttons of one name are one group, wherever they stand.
function ownName(kind) {
  return `course-${kind}-${Math.random().toString(36).slice(2, 10)}`;
}

// Put nodes in the place of others only where the text changed, so that a screen reader is not told the same again.
function say(node, text) {
  if (node.dataset.text === text) return;
  node.dataset.text = text;
  node.replaceChildren(...rich(text));
}

// What went wrong, in place.
function errorChip(on, live) {
  const chip = h("div", { role: "alert", class: "error", "data-testid": "error" });
  on(live, "change:error", () => set(chip, { text: live.get("error"), hidden: !live.get("error") }));
  return chip;
}

// A sentence about answers that cannot be kept, hidden where there is none.
function noteLine(on, model) {
  const line = h("p", { class: "soft", "data-testid": "note" });
  on(model, "change:told", () => set(line, { text: model.get("told").note ?? "", hidden: !model.get("told").note }));
  return line;
}
