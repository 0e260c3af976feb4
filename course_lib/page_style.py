"""How the pages of `course run` look: one style sheet, light and dark, from 360 px on; no fonts are fetched.

    from course_lib.page_style import STYLE      # used by export.py

The colours of code and text keep a contrast of 4.5 : 1 or more in both themes.
"""

STYLE = """
:root {
  --ground: #ffffff; --panel: #f5f6f7; --line: #d5d9dd; --text: #1c2024; --soft: #59616a; --link: #0063a5;
  --good: #00714f; --bad: #b3261e; --keyword: #00714f; --string: #a3420a; --number: #0063a5; --comment: #5f6a73;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #15181b; --panel: #1f2428; --line: #3a4148; --text: #e6e8ea; --soft: #a9b2ba; --link: #6cb8f0;
    --good: #4cc39a; --bad: #ff8a80; --keyword: #4cc39a; --string: #f0a36b; --number: #6cb8f0; --comment: #98a3ac;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--ground); color: var(--text); font: 17px/1.6 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 50rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
a { color: var(--link); }
h1, h2, h3 { line-height: 1.25; margin: 2.2rem 0 .6rem; }
h1 { font-size: 1.9rem; margin-top: 1rem; } h2 { font-size: 1.4rem; } h3 { font-size: 1.15rem; }
p, ul, ol, table, blockquote { margin: .7rem 0; }
blockquote { border-left: 4px solid var(--link); margin-left: 0; padding: .1rem 0 .1rem 1rem; }
hr { border: 0; border-top: 1px solid var(--line); }
img { max-width: 100%; height: auto; background: #fff; border-radius: 4px; }
math[display=block] { margin: 1rem 0; overflow-x: auto; max-width: 100%; }
pre, code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: .86em; }
code { background: var(--panel); border-radius: 3px; padding: .1em .3em; }
pre { margin: .5rem 0; overflow-x: auto; line-height: 1.5; }
pre code { background: none; padding: 0; font-size: 1em; }
.highlight pre { background: var(--panel); border: 1px solid var(--line); border-radius: 6px; padding: .6rem .8rem; }
.jp-OutputArea-output { margin: .5rem 0 1rem; padding-left: .8rem; border-left: 3px solid var(--line); overflow-x: auto; }
.jp-OutputArea-output > pre { white-space: pre-wrap; overflow-wrap: anywhere; }
[data-mime-type="application/vnd.jupyter.stderr"] { border-left-color: var(--bad); }
:focus-visible { outline: 2px solid var(--link); outline-offset: 2px; }
table { border-collapse: collapse; display: block; overflow-x: auto; max-width: 100%; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
header { border: 1px solid var(--line); border-radius: 6px; padding: .2rem 1rem .6rem; font-size: .88rem; color: var(--soft); }
header p { margin: .5rem 0; }
dl { margin: 0; } dl div { display: flex; gap: .8rem; }
dt { flex: 0 0 6.5rem; } dd { margin: 0; color: var(--text); overflow-wrap: anywhere; }
.failed { color: var(--bad); overflow-wrap: anywhere; }
.live { color: var(--soft); font-size: .88rem; margin: .3rem 0; }
.lead { color: var(--soft); }
.ok { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.index { display: table; width: 100%; }
.index small { font-weight: 400; }
.results { margin: 0; font-size: .9rem; }
.results td { border: 0; padding: .05rem .9rem .05rem 0; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
@media (max-width: 640px) {
  .index, .index > tbody, .index > tbody > tr, .index > tbody > tr > * { display: block; border: 0; padding: .1rem 0; }
  .index > thead { display: none; }
  .index > tbody > tr { border-bottom: 1px solid var(--line); padding: .8rem 0; }
}
@media print { body { font-size: 11pt; } pre { white-space: pre-wrap; } }
.k, .kn, .kc, .kd, .ow { color: var(--keyword); font-weight: 600; }
.s, .s1, .s2, .sa, .sd, .si, .se { color: var(--string); }
.mi, .mf, .mh, .il { color: var(--number); }
.c, .c1, .ch, .cm { color: var(--comment); font-style: italic; }
.ansi-red-fg, .ansi-red-intense-fg { color: var(--bad); } .ansi-green-fg { color: var(--good); }
.ansi-blue-fg, .ansi-cyan-fg { color: var(--link); } .ansi-bold { font-weight: 600; }
""".strip()
