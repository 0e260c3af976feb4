// Exercise: what has to hold, a button that looks whether it does, hints one at a time, and a solution after a try.

export default lab("Exercise", ({ model, live, root, on, send }) => {
  const shown = () => live.get("shown");
  const first = shown();
  const WORDS = { open: "not checked yet", holds: "holds", fails: "does not hold" }, SIGNS = { open: "○", holds: "✓", fails: "✗" };
  const lines = first.checks.map((check, i) => {
    const mark = h("span", { class: "mark" }), found = h("div", { class: "why wrong", hidden: true, "data-testid": `found-${i}` });
    return { mark, found, node: h("li", { "data-testid": `check-${i}` }, h("span", { class: "checkline" }, mark, h("span", {}, rich(check.sentence))), found) };
  });
  const check = button("Check", () => send("check"), { class: "primary", "data-testid": "check" });
  const stop = button("Stop", () => send("stop"), { "data-testid": "stop" });
  const hint = button("Hint", () => send("hint"), { "data-testid": "hint" });
  const solve = button("Show a solution", () => { send("show_solution"); asked = true; }, { "data-testid": "solution", class: "quiet" });
  const status = h("div", { role: "status", class: "status said", "data-testid": "status" });
  const hints = h("ol", { class: "hints", "data-testid": "hints", "aria-live": "polite" });
  const code = h("code", {}), pre = h("pre", { tabindex: 0, role: "region", "aria-label": "a solution", "data-testid": "code" }, code);
  const solution = h("div", {}, h("p", { class: "kicker" }, "A solution"), pre);
  const note = h("p", { class: "soft", "data-testid": "note" });
  let asked = false;
  root.append(h("p", { class: "kicker" }, "Exercise"), h("p", { class: "question" }, rich(first.task)), h("ul", { class: "checks" }, lines.map((line) => line.node)),
    h("div", { class: "row" }, check, stop, hint, solve), status, hints, solution, note, errorChip(on, live));

  on(live, "change:shown change:state change:status", () => {
    const now = shown(), state = live.get("state"), working = WORKING.includes(state);
    now.checks.forEach(({ state: held, said }, i) => {
      set(lines[i].mark, { class: `mark ${{ holds: "right", fails: "wrong" }[held] ?? "soft"}`, text: `${SIGNS[held]} ${WORDS[held]}` });
      set(lines[i].found, { hidden: !said });
      say(lines[i].found, said);
    });
    set(check, { disabled: working, text: working ? "Checking …" : now.checks.some((c) => c.state !== "open") ? "Check again" : "Check" });
    set(stop, { hidden: !working });
    set(hint, { disabled: !now.hints_left, hidden: !now.hints_left && !now.hints.length, text: now.hints_left ? `Hint (${now.hints_left} left)` : "No more hints" });
    set(solve, { hidden: !now.solvable || now.solution !== null });
    set(status, { "data-state": state, text: live.get("status"), class: `status said ${now.checks.every((c) => c.state === "holds") ? "mark right" : ""}` });
    while (hints.children.length < now.hints.length) hints.append(h("li", {}, rich(now.hints[hints.children.length])));
    set(hints, { hidden: !now.hints.length });
    set(solution, { hidden: now.solution === null });
    set(code, { text: now.solution ?? "" });
    set(note, { hidden: !now.note, text: now.note });
    if (asked && now.solution !== null) { asked = false; pre.focus(); }  // the button that had the focus is gone
  });
});
