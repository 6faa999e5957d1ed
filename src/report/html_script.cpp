// Script of the HTML page. It uses no library and puts text into the page only as text.
#include "report/html_page.h"

namespace weft {

const std::string_view kPageScript = R"js(
(() => {
'use strict';
const run = JSON.parse(document.getElementById('run-data').textContent);
const colors = ['var(--c0)', 'var(--c1)', 'var(--c2)', 'var(--c3)'];
const drawn = [];  // by chart: what is on the page; null when there is nothing to draw

const svg = (parent, tag, attributes, text) => {
  const node = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const name in attributes) node.setAttribute(name, attributes[name]);
  if (text !== undefined) node.textContent = text;
  return parent.appendChild(node);
};
const html = (parent, tag, className, text) => {
  const node = document.createElement(tag);
  node.className = className;
  if (text !== undefined) node.textContent = text;
  return parent.appendChild(node);
};

// Numbers as people read them.
const grouped = v => v.toLocaleString('en-US');
const number = v => {
  const size = Math.abs(v);
  if (size >= 99.95) return grouped(Math.round(v));
  if (size >= 9.995) return v.toFixed(1);
  return size >= 0.9995 ? v.toFixed(2) : String(Number(v.toPrecision(3)));
};
const withUnit = (v, unit) => {
  if (unit !== 'ms') return number(v) + ' ' + unit;
  return v < 9999.5 ? number(v) + ' ms' : number(v / 1000) + ' s';
};
const bound = ms => 'SLO ' + (ms < 9999.5 ? grouped(ms) + ' ms' : grouped(ms / 1000) + ' s');
// Ticks of one axis, all in the same thousands.
const shorten = values => {
  const top = Math.max(...values);
  const [scale, letter] =
    [[1e9, 'G'], [1e6, 'M'], [1e3, 'k']].find(([size]) => top >= 10 * size) || [1, ''];
  return values.map(v => Number((v / scale).toPrecision(6)) + (v === 0 ? '' : letter));
};
const [clockScale, clockUnit] =
  run.end <= 0.3 ? [1e3, 'ms'] : run.end <= 300 ? [1, 's'] : run.end <= 10800 ? [1 / 60, 'min'] :
  run.end <= 345600 ? [1 / 3600, 'h'] : [1 / 86400, 'days'];
const instant = seconds => Number((seconds * clockScale).toFixed(2)) + ' ' + clockUnit;

const roundStep = raw => {
  const power = 10 ** Math.floor(Math.log10(raw));
  return [1, 2, 2.5, 5, 10].find(f => f * power >= raw * 0.999) * power;
};
// About `count` round steps from 0 that reach `top`.
const ticks = (top, count) => {
  const step = roundStep(top / count);
  const out = [];
  for (let i = 0; (i - 1) * step < top * 0.9999; ++i) out.push(i * step);
  return out;
};
// Round values on a logarithmic axis, at most `count`; even steps where it spans little.
const logTicks = (low, high, count) => {
  let best = [];
  if (high / low < 4) {
    const step = roundStep((high - low) / count);
    for (let v = Math.ceil(low / step) * step; v <= high; v += step) best.push(v);
    return best;
  }
  for (const factors of [[1], [1, 3], [1, 2, 5], [1, 1.5, 2, 3, 5, 7]]) {
    const out = [];
    for (let p = Math.floor(Math.log10(low)); p <= Math.log10(high); ++p) {
      out.push(...factors.map(f => f * 10 ** p).filter(v => v >= low && v <= high));
    }
    if (out.length <= count) best = out;
  }
  return best;
};

const startOf = i => i * run.width;
const endOf = i => i + 1 === run.count ? run.end : (i + 1) * run.width;
const finite = values => values.filter(v => v !== null);
const sumAt = (chart, i) => chart.lines.reduce((sum, line) => sum + (line.values[i] || 0), 0);

// The frame of a chart: the picture, its value axis with grid, and y() that places values.
const frame = (chart, plot, top) => {
  const width = Math.max(200, plot.clientWidth), height = width < 420 ? 200 : 220;
  const inSeconds = chart.unit === 'ms' && ticks(top, 4).pop() >= 9999.5;
  const unit = inSeconds ? 's' : chart.unit;
  const scale = unit === 's' ? 1e-3 : 1;
  const steps = ticks(top * scale, 4), labels = shorten(steps);
  const box = { width, height, top: 22, bottom: height - 36, right: width - 12 };
  box.left = 10 + 6.6 * Math.max(...labels.map(label => label.length));
  box.y = v => box.bottom - (box.bottom - box.top) * v * scale / steps[steps.length - 1];
  box.root = svg(plot, 'svg', { width, height, viewBox: `0 0 ${width} ${height}`, role: 'img' });
  steps.forEach((v, i) => {
    const y = box.y(v / scale);
    const line = { class: i ? 'grid' : 'axis', x1: box.left, x2: box.right, y1: y, y2: y };
    svg(box.root, 'line', line);
    svg(box.root, 'text', { x: box.left - 6, y: y + 4, 'text-anchor': 'end' }, labels[i]);
  });
  svg(box.root, 'text', { x: 0, y: 11 }, chart.kind === 'distribution' ? '% of requests' : unit);
  return box;
};
const xAxis = (box, places, labels, title) => {
  const y = box.bottom;
  places.forEach((x, i) => {
    svg(box.root, 'line', { class: 'axis', x1: x, x2: x, y1: y, y2: y + 4 });
    const atEnd = x > box.right - 14;
    const anchor = atEnd ? 'end' : 'middle';
    const at = { x: atEnd ? box.right + 8 : x, y: y + 16, 'text-anchor': anchor };
    svg(box.root, 'text', at, labels[i]);
  });
  const middle = (box.left + box.right) / 2;
  svg(box.root, 'text', { x: middle, y: box.height - 4, 'text-anchor': 'middle' }, title);
};

// Through the middles of the buckets, broken where nothing was measured; a lone point is a dot.
const drawLines = (chart, box, xs) => {
  for (const { values, color } of chart.lines) {
    let d = '';
    values.forEach((v, i) => {
      if (v === null) return;
      const x = xs[i].toFixed(1), y = box.y(v).toFixed(1);
      const joined = i > 0 && values[i - 1] !== null;
      d += `${joined ? 'L' : 'M'}${x} ${y}`;
      const alone = !joined && (i + 1 === values.length || values[i + 1] === null);
      if (alone) svg(box.root, 'circle', { cx: x, cy: y, r: 2.5, fill: colors[color] });
    });
    svg(box.root, 'path', { class: 'curve', d, stroke: colors[color] });
  }
};
const drawStack = (chart, box, xs) => {
  const wide = [box.left, ...xs, box.right];
  const edge = values => [values[0], ...values, values[values.length - 1]].map(
    (v, i) => `${wide[i].toFixed(1)} ${box.y(v).toFixed(1)}`);
  let below = xs.map(() => 0);
  for (const { values, color } of chart.lines) {
    const above = below.map((v, i) => v + (values[i] || 0));
    const d = 'M' + [...edge(above), ...edge(below).reverse()].join('L') + 'Z';
    svg(box.root, 'path', { d, fill: colors[color], 'fill-opacity': 0.75 });
    below = above;
  }
};
const drawFaults = box => {
  for (const mark of run.marks) {
    const x = box.x(Math.min(mark.from, run.end));
    const width = Math.max(2, box.x(Math.max(mark.until, mark.from)) - x);
    const height = box.bottom - box.top;
    svg(box.root, 'rect', { class: 'fault', x, y: box.top, width, height });
  }
};

// A bound far above the curves is named but does not flatten them.
const drawTimes = (chart, plot) => {
  const highest = Math.max(0, ...(chart.kind === 'stack'
    ? chart.lines[0].values.map((_, i) => sumAt(chart, i))
    : chart.lines.flatMap(line => finite(line.values))));
  const shown = chart.limit > 0 && chart.limit <= 4 * highest;
  const box = frame(chart, plot, Math.max(highest, shown ? chart.limit : 0));
  box.x = t => box.left + (box.right - box.left) * t / run.end;
  drawFaults(box);
  const end = run.end * clockScale;
  const times = ticks(end, box.width < 420 ? 4 : 6).filter(t => t <= end * 1.0001);
  const places = times.map(t => box.x(t / clockScale));
  xAxis(box, places, shorten(times), `simulated time (${clockUnit})`);
  const xs = chart.lines[0].values.map((_, i) => box.x((startOf(i) + endOf(i)) / 2));
  (chart.kind === 'stack' ? drawStack : drawLines)(chart, box, xs);
  if (shown) {
    const y = box.y(chart.limit);
    svg(box.root, 'line', { class: 'limit', x1: box.left, x2: box.right, y1: y, y2: y });
  }
  const limit = shown ? '' : ', above the chart';
  return { box, xs, limit, heading: i => `${instant(startOf(i))} – ${instant(endOf(i))}` };
};

const drawDistribution = (chart, plot) => {
  const box = frame(chart, plot, 100);
  let low = Math.max(chart.x[0], 1e-4), high = Math.max(chart.x[chart.x.length - 1], 2e-4);
  const shown = chart.limit > low / 4 && chart.limit < high * 4;
  if (shown) [low, high] = [Math.min(low, chart.limit), Math.max(high, chart.limit)];
  const pad = Math.max(1.02, Math.sqrt(2 * low / high));
  [low, high] = [low / pad, high * pad];
  box.x = v => box.left +
    (box.right - box.left) * Math.log(Math.max(v, low) / low) / Math.log(high / low);
  const scale = high >= 9999.5 ? 1e-3 : 1;
  const steps = logTicks(low * scale, high * scale, box.width < 420 ? 5 : 8);
  xAxis(box, steps.map(v => box.x(v / scale)), steps.map(v => grouped(Number(v.toPrecision(3)))),
        (scale === 1 ? 'ms' : 's') + ', logarithmic');
  const xs = chart.x.map(box.x);
  const points = chart.lines[0].values.map((v, i) => `L${xs[i].toFixed(1)} ${box.y(v).toFixed(1)}`);
  const d = `M${box.left} ${box.bottom}${points.join('')}H${box.right}`;
  svg(box.root, 'path', { class: 'curve', d, stroke: colors[0] });
  if (shown) {
    const x = box.x(chart.limit);
    svg(box.root, 'line', { class: 'limit', x1: x, x2: x, y1: box.top, y2: box.bottom });
  }
  const limit = shown ? '' : chart.limit > high ? ', right of the chart' : ', left of the chart';
  return { box, xs, limit, heading: i => 'below ' + withUnit(chart.x[i], 'ms') };
};

// A chart in words, for those who do not see it.
const describe = chart => chart.title + ': ' + chart.lines.map(line => {
  const values = finite(line.values);
  if (chart.kind === 'distribution') {
    const at = p => withUnit(chart.x[values.findIndex(v => v >= p)], chart.unit);
    return `half of the requests within ${at(50)}, 99 % within ${at(99)}`;
  }
  if (values.length === 0) return line.name + ' none';
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return `${line.name} from ${withUnit(low, chart.unit)} to ${withUnit(high, chart.unit)}`;
}).join('; ') + (chart.limit > 0 ? '; ' + bound(chart.limit) : '');

// `limit` says where the bound's line is when it is not in the chart.
const drawLegend = ({ chart, limit }, legend) => {
  legend.replaceChildren();
  const entry = (name, kind, color) => {
    const item = html(legend, 'span', '');
    html(item, 'i', 'swatch ' + kind).style.color = color;
    item.append(name);
  };
  if (chart.lines.length > 1) {
    for (const line of chart.lines) entry(line.name, chart.kind, colors[line.color]);
  }
  if (chart.limit > 0) entry(bound(chart.limit) + limit, 'dashes', 'var(--bad)');
  if (chart.kind !== 'distribution' && run.marks.length) entry('fault', 'area', 'var(--fault)');
};

// The values at one point in words, beside it.
const fillTip = (state, i) => {
  const { chart, tip, xs } = state;
  tip.replaceChildren();
  html(tip, 'div', 'soft', state.heading(i));
  for (const line of chart.lines) {
    const row = html(tip, 'div', ''), v = line.values[i];
    html(row, 'i', 'swatch').style.color = colors[line.color];
    const unit = chart.kind === 'distribution' ? '%' : chart.unit;
    row.append(`${line.name} ${v === null ? '–' : withUnit(v, unit)}`);
  }
  for (const mark of chart.kind === 'distribution' ? [] : run.marks) {
    const here = mark.from <= endOf(i) && mark.until >= startOf(i);
    if (here) html(tip, 'div', 'over', mark.label);
  }
  const room = state.plot.clientWidth - tip.offsetWidth;
  const left = xs[i] + 12 <= room ? xs[i] + 12 : xs[i] - 12 - tip.offsetWidth;
  tip.style.left = Math.max(0, Math.min(left, room)) + 'px';
  tip.style.top = state.box.top + 8 + 'px';
};
const showPoint = (state, i, tell) => {
  const { chart, box, xs } = state;
  state.hover.replaceChildren();
  state.tip.hidden = !tell || i < 0;
  if (i < 0) return;
  svg(state.hover, 'line', { class: 'cross', x1: xs[i], x2: xs[i], y1: box.top, y2: box.bottom });
  let below = 0;
  for (const line of chart.lines) {
    const v = line.values[i];
    if (v === null) continue;
    below = chart.kind === 'stack' ? below + v : v;
    svg(state.hover, 'circle', { cx: xs[i], cy: box.y(below), r: 3, fill: colors[line.color] });
  }
  if (tell) fillTip(state, i);
};
// Charts over time move together.
const choose = (state, i) => {
  const overTime = s => s.chart.kind !== 'distribution';
  for (const other of drawn.filter(s => s)) {
    if (other !== state && !(overTime(state) && overTime(other))) continue;
    other.at = i;
    showPoint(other, i, other === state);
  }
};

const draw = (index, figure) => {
  const chart = run.charts[index], plot = figure.querySelector('.plot');
  plot.replaceChildren();
  drawn[index] = null;
  if (!chart.lines.some(line => line.values.some(v => v > 0))) {
    html(plot, 'div', 'empty', chart.empty);
    plot.removeAttribute('tabindex');
    return;
  }
  const paint = chart.kind === 'distribution' ? drawDistribution : drawTimes;
  const state = { chart, plot, at: -1, ...paint(chart, plot) };
  drawLegend(state, figure.querySelector('.legend'));
  state.box.root.setAttribute('aria-label', describe(chart));
  state.hover = svg(state.box.root, 'g', {});
  state.tip = html(plot, 'div', 'tip');
  state.tip.hidden = true;
  state.tip.setAttribute('role', 'status');
  drawn[index] = state;
};

const listen = (index, figure) => {
  const plot = figure.querySelector('.plot');
  const point = event => {
    const state = drawn[index], x = event.clientX - plot.getBoundingClientRect().left;
    if (!state) return;
    let best = 0;
    state.xs.forEach((at, i) => { if (Math.abs(at - x) < Math.abs(state.xs[best] - x)) best = i; });
    choose(state, best);
  };
  const leave = () => drawn[index] && choose(drawn[index], -1);
  plot.addEventListener('pointermove', point);
  plot.addEventListener('pointerdown', point);
  plot.addEventListener('pointerleave', leave);
  plot.addEventListener('blur', leave);
  plot.addEventListener('keydown', event => {
    const state = drawn[index], step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!state || !step) return;
    event.preventDefault();
    choose(state, Math.min(state.xs.length - 1, Math.max(0, state.at + step)));
  });
  let width = plot.clientWidth;
  draw(index, figure);
  new ResizeObserver(() => requestAnimationFrame(() => {
    if (plot.clientWidth === width) return;
    width = plot.clientWidth;
    draw(index, figure);
  })).observe(plot);
};
document.querySelectorAll('figure[data-chart]').forEach(
  figure => listen(Number(figure.dataset.chart), figure));
})();
)js";

}  // namespace weft
