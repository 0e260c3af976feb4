// Predict: a guess by dragging, typing or choosing, locked once, and then the result beside it.
// The slider shows no thumb before it is touched: a thumb in the middle would be somebody else's guess.

const WORDS_OF = {
  open: "No guess yet: drag the slider or type a number.", choose: "No guess yet: choose one.",
  waiting: "The result is there. Lock a guess first, then it is shown.",
};

export default lab("Prediction", ({ model, live, root, on, send }) => {
  const told = () => model.get("told");
  const words = (value) => (typeof value === "string" ? value : `${Number(value.toFixed(6))} ${told().unit}`.trim());
  const first = told(), id = ownName("predict");
  let timer = 0, pending = null, place = null;

  // Many moves of the slider become few messages, and none is left behind when the guess is locked.
  const flush = () => { if (timer) { clearTimeout(timer); timer = 0; put(model, { value: pending }); } };
  const take = (value) => { pending = value; clearTimeout(timer); timer = setTimeout(flush, 40); draw(value); };
  waiting.set(model, [...(waiting.get(model) ?? []), flush]);

  const question = h("p", { class: "question", id: `${id}-question` }, rich(first.question));
  const slider = first.choices ? null : h("input", {
    type: "range", class: "guess", min: first.low, max: first.high, step: first.step, "aria-labelledby": `${id}-question`, "data-testid": "guess",
    oninput: () => take(Number(slider.value)),
    // A click on the very middle changes nothing for the browser, and is a guess all the same.
    onclick: () => { if (!timer && model.get("value") === null) take(Number(slider.value)); },
  });
  const typed = first.choices ? null : h("input", {
    type: "number", min: first.low, max: first.high, step: "any", id: `${id}-typed`, "data-testid": "typed",
    oninput: () => { if (typed.value !== "" && Number.isFinite(typed.valueAsNumber)) take(typed.valueAsNumber); },
  });
  const radios = (first.choices ?? []).map((choice, i) => h("input", {
    type: "radio", name: id, id: `${id}-${i}`, "data-testid": `choice-${i}`, onchange: () => take(choice),
  }));
  const marks = radios.map(() => h("span", { class: "mark" }));
  const asks = first.choices
    ? h("div", { role: "radiogroup", "aria-labelledby": `${id}-question` },
      radios.map((radio, i) => h("label", { class: "option", for: radio.id }, radio, h("span", {}, rich(first.choices[i])), marks[i])))
    : h("div", { class: "row" },
      h("span", { class: "ends soft" }, words(first.low)), slider, h("span", { class: "ends soft" }, words(first.high)),
      h("span", { class: "field" }, h("label", { for: typed.id }, "or type"), typed, h("span", {}, first.unit)));

  const levels = first.levels.map((level) => button(level, () => put(model, { sure: model.get("sure") === level ? "" : level })));
  const reason = h("input", { type: "text", maxlength: 300, id: `${id}-reason`, "data-testid": "reason", placeholder: "because …", onchange: () => put(model, { reason: reason.value }) });
  waiting.set(model, [...waiting.get(model), () => { if (reason.value !== model.get("reason") && !model.get("locked")) put(model, { reason: reason.value }); }]);
  const extras = h("div", { class: "row extras" },
    h("span", { class: "row sure", role: "group", "aria-label": "How sure are you? (optional)" }, h("span", { class: "soft" }, "How sure? (optional)"), levels),
    h("span", { class: "field reason" }, h("label", { for: reason.id, class: "soft" }, "Why? (optional, stays on this machine)"), reason));
  const press = button("Lock my prediction", () => { send("lock_guess"); place = "lock"; }, { class: "primary", "data-testid": "lock" });
  const skip = button("Show the result without a prediction", () => { send("show_anyway"); place = "lock"; }, { class: "quiet", "data-testid": "skip" });
  const status = h("div", { role: "status", class: "status", "data-testid": "status", tabindex: -1 });
  const verdict = h("p", { class: "verdict", "aria-live": "polite", "data-testid": "verdict" });
  const line = h("svg", { viewBox: "0 0 560 104", role: "img", class: "chart", "data-testid": "numberline" });
  const asking = h("div", {}, first.choices ? null : asks, extras, h("div", { class: "row" }, press, skip));
  // A number is asked for no more once it is locked; choices stay, to be compared.
  root.append(h("p", { class: "kicker" }, "Predict"), question, ...(first.choices ? [asks] : []), asking, status,
    h("div", { class: "linebox" }, line), verdict, noteLine(on, model), errorChip(on, live));

  function draw(value) {
    const { state, choices } = told();
    const closed = state === "locked" || state === "revealed";
    set(asking, { hidden: closed });
    set(press, { disabled: value === null });
    set(skip, { hidden: state !== "waiting" });
    if (slider) {
      slider.classList.toggle("unset", value === null);
      set(slider, { "aria-valuetext": value === null ? "no guess yet" : words(value) });
      if (value !== null && Number(slider.value) !== value) slider.value = value;
      if (document.activeElement !== typed) typed.value = value === null ? "" : Number(value.toFixed(6));
    }
    radios.forEach((radio, i) => {
      const said = choices[i] === value, came = told().truth?.value === choices[i];
      set(radio, { checked: said, disabled: closed });
      set(marks[i], { class: `mark ${came ? "right" : ""}`, text: closed ? [said ? "← your prediction" : "", came ? "✓ so it came out" : ""].filter(Boolean).join(" ") : "" });
    });
    const added = [model.get("sure"), model.get("reason") && `because ${model.get("reason").replace(/^because\s+/i, "")}`].filter(Boolean).join(", ");
    const guess = value === null ? "" : `${words(value)}${closed && added ? ` (${added})` : ""}`;
    set(status, {
      "data-state": state,
      text: closed ? (value === null ? "No prediction was made." : `Your prediction, locked: ${guess}.`)
        : state === "waiting" ? (value === null ? WORDS_OF.waiting : `Your guess: ${guess}. ${WORDS_OF.waiting}`)
          : value === null ? WORDS_OF[choices ? "choose" : "open"] : `Your guess: ${guess}. Lock it when you are content with it.`,
    });
    set(verdict, { text: told().verdict, hidden: !told().verdict });
    set(line, { hidden: !!choices || !told().truth });
    line.style.display = choices || !told().truth ? "none" : "";
    if (!choices && told().truth) numberLine(value);
    if (closed && place === "lock") { place = null; status.focus(); }  // the button that had the focus is gone
  }

  function numberLine(value) {
    const { truth, low, high } = told();
    const all = [low, high, truth.value, truth.low, truth.high].filter((x) => x !== null);
    const from = Math.min(...all), to = Math.max(...all), x = (v) => 16 + ((v - from) / (to - from)) * 528;
    const label = (v, y, text, colour) => h("text", { x: clamp(x(v), 8, 552), y, class: x(v) < 150 ? "name" : x(v) > 410 ? "name end" : "name middle", style: `fill:${colour}` }, text);
    const parts = [h("line", { x1: 16, x2: 544, y1: 46, y2: 46, class: "axisline" })];
    for (const t of ticks(from, to, 5)) parts.push(h("line", { x1: x(t), x2: x(t), y1: 42, y2: 50, class: "axisline" }), h("text", { x: x(t), y: 98, class: "tick middle" }, `${round(t)}`));
    if (truth.low !== null) {
      parts.push(h("rect", { x: x(truth.low), y: 40, width: Math.max(1, x(truth.high) - x(truth.low)), height: 12, class: "interval" }));
      for (const end of [truth.low, truth.high]) parts.push(h("line", { x1: x(end), x2: x(end), y1: 38, y2: 54, class: "whisker" }));
    }
    const at = x(truth.value);
    parts.push(h("rect", { x: at - 5, y: 41, width: 10, height: 10, fill: "var(--c-orange)" }), label(truth.value, 74, `measured ${truth.words}`, "var(--c-orange)"));
    if (value !== null) {
      const g = x(value);
      parts.push(h("line", { x1: g, x2: g, y1: 24, y2: 46, stroke: "var(--c-blue)", "stroke-width": 1.5, "stroke-dasharray": "3 2" }),
        h("polygon", { points: `${g},38 ${g + 8},46 ${g},54 ${g - 8},46`, fill: "var(--c-ground)", stroke: "var(--c-blue)", "stroke-width": 2.5 }), label(value, 18, `your guess ${words(value)}`, "var(--c-blue)"));
    }
    line.replaceChildren(...parts);
    set(line, { "aria-label": told().verdict });
  }

  on(model, "change:value change:told change:sure change:reason", () => {
    levels.forEach((level, i) => set(level, { "aria-pressed": String(model.get("sure") === first.levels[i]) }));
    if (document.activeElement !== reason) set(reason, { value: model.get("reason") });
    if (!timer) draw(model.get("value"));
  });
});
