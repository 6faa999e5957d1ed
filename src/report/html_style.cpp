// Style of the HTML page: light and dark, from phones to wide screens, and paper.
#include "report/html_page.h"

namespace weft {

const std::string_view kPageStyle = R"css(
:root {
  color-scheme: light dark;
  --page: #f6f7f9; --card: #ffffff; --line: #e1e4e9; --grid: #eceef1;
  --text: #1b1f26; --soft: #596273; --good: #17784d; --bad: #b3261e; --fault: #b3261e1c;
  --c0: #2463c4; --c1: #d4690c; --c2: #13805e; --c3: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #101317; --card: #181c22; --line: #2c323b; --grid: #252a32;
    --text: #e8eaee; --soft: #9aa4b3; --good: #5cc694; --bad: #ff8a80; --fault: #ff8a8026;
    --c0: #75a9ff; --c1: #f2a65a; --c2: #4fc9a0; --c3: #ff8a80;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
main, header, footer { max-width: 1240px; margin: 0 auto; padding: 0 20px; }
header { padding-top: 32px; }
h1 { font-size: 1.65rem; line-height: 1.25; margin: 0; font-weight: 650; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 36px 0 12px; font-weight: 650; }
p { margin: 6px 0; }
.soft, header p, footer, .note { color: var(--soft); }
.note { font-size: 0.82rem; margin: 0; }
section > .note { margin-top: 8px; }

.card, figure, .table {
  background: var(--card); border: 1px solid var(--line); border-radius: 10px; min-width: 0;
}
.cards, .charts { display: grid; gap: 12px; }
.cards { grid-template-columns: repeat(4, minmax(0, 1fr)); margin: 22px 0 0; }
.card { padding: 14px 16px; }
.card dt { color: var(--soft); font-size: 0.82rem; }
.card dd { margin: 0; }
.card .value { font-size: 1.6rem; line-height: 1.3; font-weight: 650; letter-spacing: -0.01em; }
.card small { font-size: 0.9rem; font-weight: 450; color: var(--soft); letter-spacing: 0; }
.card small, .card .value span { white-space: nowrap; }
.card .detail { color: var(--soft); font-size: 0.82rem; line-height: 1.45; }
.meter {
  height: 5px; border-radius: 3px; background: var(--grid); margin: 6px 0; overflow: hidden;
}
.meter i { display: block; height: 100%; background: var(--c2); }

.table { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 8px 16px; text-align: right; white-space: nowrap; }
th:first-child { text-align: left; position: sticky; left: 0; background: var(--card); }
thead th {
  font-weight: 500; font-size: 0.82rem; color: var(--soft); border-bottom: 1px solid var(--line);
}
tbody th { font-weight: 550; }
tbody tr + tr > * { border-top: 1px solid var(--grid); }
th .soft { font-weight: 400; }
.within { color: var(--good); }
.over { color: var(--bad); }
.hidden {
  position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
}
.memory {
  display: flex; height: 14px; min-width: 160px; border-radius: 4px; overflow: hidden;
  background: var(--grid);
}
.memory i { display: block; height: 100%; }
ul.faults { margin: 0; padding-left: 20px; }

.charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)); }
section + section > .charts:first-child { margin-top: 12px; }
figure { margin: 0; padding: 14px 16px 8px; display: flex; flex-direction: column; }
figcaption h3 { font-size: 0.95rem; font-weight: 600; margin: 0; }
.legend {
  display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 0.82rem; color: var(--soft);
}
.swatch {
  display: inline-block; width: 12px; height: 3px; border-radius: 2px; vertical-align: middle;
  margin-right: 6px; background: currentColor;
}
.swatch.area, .swatch.stack { height: 10px; }
.swatch.dashes { height: 0; border-top: 2px dashed; border-radius: 0; background: none; }
.plot {
  position: relative; touch-action: pan-y; border-radius: 6px; margin-top: auto; padding-top: 8px;
}
.plot:focus-visible, .table:focus-visible { outline: 2px solid var(--c0); outline-offset: 2px; }
.plot svg { display: block; max-width: 100%; height: auto; }
.plot text { fill: var(--soft); font-size: 11px; font-variant-numeric: tabular-nums; }
.plot .grid { stroke: var(--grid); }
.plot .axis { stroke: var(--line); }
.plot .curve {
  fill: none; stroke-width: 1.75; stroke-linejoin: round; stroke-linecap: round;
}
.plot .limit { stroke: var(--bad); stroke-dasharray: 5 4; }
.plot .fault { fill: var(--fault); }
.plot .cross { stroke: var(--soft); }
.empty {
  display: grid; place-items: center; min-height: 160px; text-align: center; color: var(--soft);
}
.tip {
  position: absolute; z-index: 1; pointer-events: none; padding: 6px 10px; border-radius: 6px;
  font-size: 0.8rem; line-height: 1.45; background: var(--card); border: 1px solid var(--line);
  box-shadow: 0 2px 10px #0003; white-space: nowrap; max-width: 100%; overflow: hidden;
  text-overflow: ellipsis; font-variant-numeric: tabular-nums;
}
footer {
  padding-top: 28px; padding-bottom: 40px; font-size: 0.82rem; overflow-wrap: anywhere;
}
code { font-family: ui-monospace, "SF Mono", Menlo, Consolas, monospace; font-size: 0.95em; }

@media (max-width: 960px) {
  .cards { grid-template-columns: repeat(2, minmax(0, 1fr)); }
}
@media (max-width: 560px) {
  main, header, footer { padding-left: 12px; padding-right: 12px; }
  header { padding-top: 20px; }
  h1 { font-size: 1.35rem; }
  .cards { gap: 8px; margin-top: 16px; }
  .card { padding: 10px 12px; }
  .card .value { font-size: 1.3rem; }
  figure { padding: 12px 10px 6px; }
  th, td { padding: 7px 8px; font-size: 0.87rem; }
  th:first-child { padding-left: 12px; }
  th .soft { display: none; }
}
@media print {
  body { background: none; }
  figure, .card, tr { break-inside: avoid; }
  h2 { break-after: avoid; }
}
)css";

}  // namespace weft
