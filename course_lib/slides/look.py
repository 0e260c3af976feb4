"""How slides look and move: a style sheet after the lessons' own (page_style.py), and the one script of the page.

    from course_lib.slides.look import SCRIPT, SLIDE_STYLE      # used by deck.py

Type grows with the window, as a projector's picture does. A slide that is a little too full gets smaller type, down to 70 %; one that
is fuller still scrolls. Without the script, and on paper, everything is there at once.
"""

KEYS = (
    "→ and ←: on and back. Space, Page Down, Page Up: scroll a full slide, then on and back. Home, End: first and last. "
    "n: notes. f: full screen. Esc: this list. Clicks near the left and right edge and swipes work, too."
)

SLIDE_STYLE = """
html { font-size: clamp(17px, min(2vw, 3.5vh), 60px); }
body { font-size: 1rem; line-height: 1.45; }
main { max-width: none; margin: 0; padding: 0; }
.slide { --fit: 1; padding: 1.2rem 2.4rem 1rem; border-bottom: 1px solid var(--line); font-size: calc(1rem * var(--fit)); }
.slide:focus { outline: none; }
.slide h1 { font-size: 1.9em; margin: .6em 0 .5em; }
.slide h2 { font-size: 1.5em; margin: 0 0 .5em; }
.slide h3 { font-size: 1.2em; margin: .3em 0 .4em; }
.slide p, .slide ul, .slide ol, .slide table, .slide blockquote { margin: .5em 0; }
.slide .highlight pre, .slide .jp-OutputArea-output > pre { font-size: .8em; line-height: 1.4; white-space: pre-wrap; }
.slide .jp-OutputArea-output { margin: .5em 0 .6em; }
.slide table { font-size: .85em; }
.slide table td, .slide table th { padding: .15em .7em; }
.slide img { width: 100%; max-height: calc(64vh * var(--fit)); object-fit: contain; object-position: left; background: none; }
.slide .live { font-size: .7em; }
.above { color: var(--soft); font-size: .75em; margin: 0; }
.notes { background: var(--panel); border-left: 4px solid var(--link); padding: .2em 1em; margin-top: 1em; font-size: .8em; }
footer, nav { color: var(--soft); font-size: .65rem; }
footer { padding: 1rem 2.4rem; }
nav:not([hidden]) { position: fixed; inset: auto 0 0 0; height: 1.6rem; display: flex; align-items: center; gap: .5rem;
  padding: 0 1rem; background: var(--ground); border-top: 1px solid var(--line); }
nav .title { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
nav progress { position: absolute; inset: -2px 0 auto 0; width: 100%; height: 3px; appearance: none; border: 0; background: none; }
nav progress::-webkit-progress-bar { background: none; }
nav progress::-webkit-progress-value { background: var(--link); }
nav progress::-moz-progress-bar { background: var(--link); }
nav output { min-width: 4.5em; text-align: center; font-variant-numeric: tabular-nums; }
button { font: inherit; color: var(--text); background: var(--panel); border: 1px solid var(--line); border-radius: 4px;
  padding: 0 .6em; min-width: 2em; min-height: 24px; cursor: pointer; }
dialog { width: min(46rem, 92vw); max-height: 86vh; color: var(--text); background: var(--ground); border: 1px solid var(--line);
  border-radius: 8px; font-size: .8rem; }
dialog::backdrop { background: rgb(0 0 0 / .5); }
.js footer, .js .notes { display: none; }
.js .slide { display: none; position: fixed; inset: 0 0 1.6rem 0; overflow-y: auto; border: 0; }
.js .slide.now { display: block; }
.js.with-notes .slide { bottom: calc(1.6rem + 28vh); }
.js.with-notes .now .notes { display: block; position: fixed; inset: auto 0 1.6rem 0; height: 28vh; margin: 0; overflow-y: auto; }
.js .fragment:not(.shown) { visibility: hidden; opacity: 0; }
@media (prefers-reduced-motion: no-preference) { .js .fragment { transition: opacity .2s; } }
@media (max-width: 640px) { .slide { padding: .8rem 1rem; } nav .title { visibility: hidden; } }
html.paper { font-size: 22px; }
.paper .slide { display: block; position: static; overflow: visible; width: 12.1in; padding: 0; }
.paper .slide img { max-height: calc(4.4in * var(--fit)); }
@page { size: 13.333in 7.5in; margin: .4in .6in; }
@media print {
  html { font-size: 22px; }
  nav, dialog, .live { display: none !important; }
  .notes, .js.with-notes .now .notes { display: none; position: static; height: auto; }
  .js.with-notes .notes { display: block; }
  .js footer { display: block; }
  .slide { border: 0; padding: 0; break-after: page; }
  .slide img { max-height: calc(4.4in * var(--fit)); break-inside: avoid; }
  .js .fragment:not(.shown) { visibility: visible; opacity: 1; }
}
""".strip()

SCRIPT = """
"use strict";
(() => {
  const root = document.documentElement, slides = [...document.querySelectorAll(".slide")];
  const find = (name) => document.querySelector(name), list = find("dialog");
  const PAPER = 640;  // px: the height that a printed page has for a slide
  const held = "a, button, summary, input, select, textarea, label";  // these take clicks and keys themselves
  let at = 0;

  function fit(slide, height = slide.clientHeight) {  // smaller type for a slide that is a little too full
    for (const size of [1, 0.92, 0.85, 0.78, 0.7, 0.85]) {  // the last: what scrolls anyway is not small as well
      slide.style.setProperty("--fit", size);
      if (slide.scrollHeight <= height + 1) return;
    }
  }
  const parts = () => [...slides[at].querySelectorAll(".fragment")];
  function tell() {
    const all = parts(), shown = all.filter((part) => part.matches(".shown")).length;
    find("#at").textContent = `${at + 1} / ${slides.length}` + (all.length > shown ? ` (${all.length - shown} more)` : "");
    find("progress").value = at + 1;
  }
  function show(number, whole = false) {
    at = Math.max(0, Math.min(slides.length - 1, number));
    slides.forEach((slide, i) => slide.classList.toggle("now", i === at));
    parts().forEach((part) => part.classList.toggle("shown", whole));
    fit(slides[at]);
    slides[at].scrollTop = 0;
    slides[at].focus({ preventScroll: true });
    history.replaceState(null, "", `#/${at + 1}`);
    tell();
  }
  function next() {
    const part = parts().find((part) => !part.matches(".shown"));
    if (!part) return at + 1 < slides.length && show(at + 1);
    part.classList.add("shown");
    part.scrollIntoView({ block: "nearest" });
    tell();
  }
  function back() {
    const part = parts().findLast((part) => part.matches(".shown"));
    if (!part) return at && show(at - 1, true);
    part.classList.remove("shown");
    tell();
  }
  function scroll(way, otherwise) {  // a slide that is too full is read to its end first
    const slide = slides[at], ends = slide.querySelectorAll(".first, .fragment.shown");
    const last = Math.max(...[...ends].map((part) => part.getBoundingClientRect().bottom));
    const more = way > 0 ? last > slide.getBoundingClientRect().bottom + 2 : slide.scrollTop > 2;
    more ? slide.scrollBy(0, way * 0.8 * slide.clientHeight) : otherwise();
  }
  const keys = {
    ArrowRight: next, ArrowLeft: back, Home: () => show(0), End: () => show(slides.length - 1, true),
    ArrowDown: () => scroll(1, next), ArrowUp: () => scroll(-1, back), PageDown: () => scroll(1, next), PageUp: () => scroll(-1, back),
    " ": (event) => (event.shiftKey ? scroll(-1, back) : scroll(1, next)),
    n: () => { root.classList.toggle("with-notes"); fit(slides[at]); },
    f: () => (document.fullscreenElement ? document.exitFullscreen() : root.requestFullscreen?.()),
    Escape: () => list.showModal(),
  };
  addEventListener("keydown", (event) => {
    const on = event.target.closest?.(held);
    if (event.ctrlKey || event.metaKey || event.altKey || list.open || (on && (event.key === " " || on.matches("input, textarea, select")))) return;
    if (!Object.hasOwn(keys, event.key)) return;
    event.preventDefault();
    keys[event.key](event);
  });
  find("main").addEventListener("click", (event) => {
    if (event.target.closest(held) || getSelection().toString()) return;
    const share = event.clientX / innerWidth;
    if (share > 0.94) next(); else if (share < 0.06) back();
  });
  let start = null;
  addEventListener("touchstart", (event) => {
    const wide = event.target.closest?.("pre, table, math");
    const scrollsItself = wide && wide.scrollWidth > wide.clientWidth + 1;
    start = event.touches.length > 1 || scrollsItself || list.open ? null : event.touches[0];
  }, { passive: true });
  addEventListener("touchend", (event) => {
    if (!start) return;
    const end = event.changedTouches[0], x = end.clientX - start.clientX, y = end.clientY - start.clientY;
    if (Math.abs(x) > 50 && Math.abs(x) > 2 * Math.abs(y)) (x < 0 ? next : back)();
  }, { passive: true });
  const fromAddress = () => show((parseInt(location.hash.slice(2), 10) || 1) - 1);
  addEventListener("hashchange", () => { list.close(); fromAddress(); });
  addEventListener("resize", () => fit(slides[at]));
  addEventListener("load", () => fit(slides[at]));  // pictures have their size by now
  addEventListener("beforeprint", () => {
    root.classList.add("paper");
    slides.forEach((slide) => fit(slide, PAPER));
  });
  addEventListener("afterprint", () => { root.classList.remove("paper"); fit(slides[at]); });
  find("#on").onclick = next;
  find("#back").onclick = back;
  find("#list").onclick = () => list.showModal();
  root.classList.add("js");
  find("nav").hidden = false;
  fromAddress();
})();
""".strip()
