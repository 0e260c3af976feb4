// Quiz: questions with radio buttons, checkboxes or steps to move. What is right is known to the kernel alone until it is checked.

export default lab("Quiz", ({ model, live, root, on, send }) => {
  const told = () => model.get("told");
  const chosen = (n) => model.get("chosen")[n] ?? [];
  const choose = (n, options) => put(model, { chosen: { ...model.get("chosen"), [n]: options } });
  const score = h("p", { class: "kicker", role: "status", "data-testid": "status" });
  const heard = h("div", { class: "unseen", "aria-live": "polite" });  // where a moved step stands now
  const list = h("ol", { class: "questions" });
  root.append(score, list, heard, noteLine(on, model), errorChip(on, live));
  let place = null;

  const asked = told().questions.map((first, n) => {
    const id = ownName("quiz");
    const whys = first.texts.map((_, i) => h("div", { class: "why", hidden: true, "data-testid": `why-${n}-${i}` }));
    const said = h("p", { class: "said", role: "status", tabindex: -1, "data-testid": `said-${n}` });
    const check = button("Check", () => { place = n; send("check", { question: n }); }, { "data-testid": `check-${n}`, class: "primary", "aria-describedby": `${id}-ask` });
    const show = button("Show the answer", () => { place = n; send("show", { question: n }); }, { "data-testid": `show-${n}`, class: "quiet", "aria-describedby": `${id}-ask` });
    const ordered = first.kind === "order";
    let inputs = [], items = [], box;

    const move = (i, by, control) => {
      const order = [...chosen(n)], from = order.indexOf(i), to = from + by;
      if (to < 0 || to >= order.length) return;
      [order[from], order[to]] = [order[to], order[from]];
      choose(n, order);
      draw();
      // Its row has moved in the page, and the browser has let go of it; at an end only the other button can be pressed.
      (control.disabled ? items[i].pair.find((other) => !other.disabled) : control).focus();
      set(heard, { text: `${first.texts[i]}: now step ${to + 1} of ${order.length}` });
    };
    if (ordered) {
      items = first.texts.map((text, i) => {
        const control = (word, by, sign) => {
          const made = button(sign, () => move(i, by, made), {
            "aria-label": `Move “${text}” ${word}`, "data-testid": `${word}-${n}-${i}`, class: "move",
            onkeydown: (event) => {
              const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
              if (step) { event.preventDefault(); move(i, step, made); }
            },
          });
          return made;
        };
        const pair = [control("up", -1, "↑"), control("down", 1, "↓")];
        const row = h("div", { class: "step" }, h("span", { class: "moves" }, pair), h("span", { class: "steptext" }, rich(text)), h("span", { class: "mark" }));
        return { node: h("li", {}, row, whys[i]), pair, mark: row.lastChild };
      });
      box = h("ol", { class: "steps", "aria-labelledby": `${id}-ask` });
    } else {
      inputs = first.texts.map((text, i) => h("input", {
        type: first.kind === "one" ? "radio" : "checkbox", name: id, id: `${id}-${i}`, "data-testid": `option-${n}-${i}`,
        onchange: () => choose(n, inputs.flatMap((input, k) => (input.checked ? [k] : []))),
      }));
      items = first.texts.map((text, i) => {
        const mark = h("span", { class: "mark" });
        return { node: h("div", {}, h("label", { class: "option", for: `${id}-${i}` }, inputs[i], h("span", {}, rich(text)), mark), whys[i]), mark };
      });
      box = h("div", { role: first.kind === "one" ? "radiogroup" : "group", "aria-labelledby": `${id}-ask` }, items.map((item) => item.node));
    }
    const hint = { one: "", several: "Several may be right.", order: "Move the steps with the buttons, or with the arrow keys on a button." }[first.kind];
    list.append(h("li", { class: "asked", "data-testid": `question-${n}` },
      h("p", { class: "question", id: `${id}-ask` }, rich(first.ask)), hint ? h("p", { class: "soft" }, hint) : null, box, h("div", { class: "row" }, check, show), said));

    function draw() {
      const { open, tries, solved, feedback } = told().questions[n];
      const sentence = told().questions[n].said, order = chosen(n);
      inputs.forEach((input, i) => set(input, { checked: order.includes(i), disabled: !open }));
      if (ordered) {
        const standing = [...box.children], wanted = (open || solved ? order : told().questions[n].answer).map((i) => items[i].node);
        if (standing.length !== wanted.length || standing.some((node, k) => node !== wanted[k])) box.replaceChildren(...wanted);
        for (const item of items) set(item.pair[0].parentNode, { hidden: !open });
        order.forEach((i, k) => {
          set(items[i].pair[0], { disabled: !open || k === 0 });
          set(items[i].pair[1], { disabled: !open || k === order.length - 1 });
        });
      }
      feedback.forEach((known, i) => {
        set(whys[i], { hidden: !known, class: `why ${known?.right ? "right" : "wrong"}` });
        if (known) say(whys[i], known.why);
        set(items[i].mark, { class: `mark ${known?.right ? "right" : "wrong"}`, text: known && !(ordered && open) ? (known.right ? "✓ right" : "✗ wrong") : known ? "✓ right place" : "" });
      });
      set(check, { hidden: !open, disabled: !order.length, text: tries ? "Check again" : "Check" });
      set(show, { hidden: !open || !tries });
      set(said, { text: sentence, hidden: !sentence, class: `said ${solved ? "mark right" : ""}` });
      if (place === n && !open) { place = null; said.focus(); }  // the button that had the focus is gone
    }
    return { draw };
  });
  on(model, "change:told change:chosen", () => {
    set(score, { text: `Quiz: ${told().sentence}`, "data-state": told().questions.some((q) => q.open) ? "open" : "done" });
    asked.forEach((question) => question.draw());
  });
});
