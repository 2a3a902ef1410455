// Figures of the page, drawn as SVG. Numbers come from the server; nothing here is computed but positions.
const SPACE = "http://www.w3.org/2000/svg";
const MARGIN = { left: 46, right: 14, top: 10, bottom: 40 };
const RANGE = 3; // of the learnt variable q

const svg = (tag, attributes, text) => {
  const element = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  return element;
};

const linear = (low, high, from, to) => {
  const scale = value => from + (to - from) * (value - low) / (high - low);
  return Object.assign(scale, { low, high, ticks: count => steps(low, high, count) });
};

const logarithmic = (low, high, from, to) => {
  const scale = value => from + (to - from) * Math.log(value / low) / Math.log(high / low);
  return Object.assign(scale, { low, high, ticks: count => decades(low, high, count) });
};

function steps(low, high, count) {
  const raw = (high - low) / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map(each => each * power).find(each => each >= raw * 0.999);
  const found = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high * (1 + 1e-9) + 1e-12; k++) found.push(Number((k * step).toPrecision(12)));
  return found;
}

// 1, 2 and 5 of each decade, fewer where there are many.
function decades(low, high, count) {
  for (const multiples of [[1, 2, 5], [1, 3], [1]]) {
    const found = [];
    for (let k = Math.floor(Math.log10(low)); k <= Math.ceil(Math.log10(high)); k++) {
      for (const each of multiples) {
        const value = Number((each * 10 ** k).toPrecision(6));
        if (value >= low && value <= high) found.push(value);
      }
    }
    if (found.length <= count || multiples.length === 1) return found;
  }
  return [];
}

const label = value => String(Number(value.toPrecision(4))).replace("-", "\u2212");
const path = points => points.map(([x, y], i) => `${i ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");
const known = values => values.filter(each => each !== null && Number.isFinite(each));

// Axes of a figure; what it holds is clipped to them. Axes that have not changed are kept: texts take the
// browser longer than lines.
const kept = new WeakMap();

class Frame {
  constructor(element, size, { right = MARGIN.right } = {}) {
    this.element = element;
    this.width = size.width;
    this.height = size.height;
    this.box = { left: MARGIN.left, right: size.width - right, top: MARGIN.top, bottom: size.height - MARGIN.bottom };
    this.axes = [];
    this.front = svg("g", { "aria-hidden": "true" });
  }

  x(make, low, high, title, { ticks } = {}) {
    const { left, right } = this.box, scale = make(low, high, left, right);
    this.axes.push({ scale, title, ticks: ticks || scale.ticks(Math.max(3, (right - left) / 55)) });
    return scale;
  }

  y(low, high, title, { right = false } = {}) {
    const { top, bottom } = this.box, scale = linear(low, high, bottom, top);
    this.axes.push({ scale, title, ticks: scale.ticks(right ? 4 : 5), side: right ? "right" : "left" });
    return scale;
  }

  back() {
    const group = svg("g", { "aria-hidden": "true" }), { left, right, top, bottom } = this.box;
    for (const { scale, title, ticks, side } of this.axes) {
      if (!side) group.append(svg("path", { class: "axis", d: `M${left} ${bottom}H${right}` }));
      for (const value of ticks) {
        const at = scale(value).toFixed(1);
        if (!side) {
          group.append(svg("path", { class: "axis", d: `M${at} ${bottom}v4` }));
          group.append(svg("text", { x: at, y: bottom + 17, "text-anchor": "middle" }, label(value)));
        } else if (side === "left") {
          group.append(svg("path", { class: "grid", d: `M${left} ${at}H${right}` }));
          group.append(svg("text", { x: left - 6, y: at, dy: "0.35em", "text-anchor": "end" }, label(value)));
        } else {
          group.append(svg("text", { x: right + 6, y: at, dy: "0.35em", "text-anchor": "start" }, label(value)));
        }
      }
      const place = !side
        ? { x: (left + right) / 2, y: this.height - 5 }
        : { transform: `translate(${side === "left" ? 11 : this.width - 11} ${(top + bottom) / 2}) rotate(${side === "left" ? -90 : 90})` };
      group.append(svg("text", { ...place, "text-anchor": "middle" }, title));
    }
    return group;
  }

  add(tag, attributes) {
    this.front.append(svg(tag, attributes));
  }

  // Draw it, and return its description.
  show(description) {
    const axes = this.axes.map(({ scale, title, ticks }) => [scale.low, scale.high, title, ticks]);
    const now = JSON.stringify([this.width, this.height, axes]);
    if (kept.get(this.element) === now) {
      this.element.lastChild.replaceWith(this.front);
    } else {
      kept.set(this.element, now);
      this.element.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
      this.element.replaceChildren(this.back(), this.front);
    }
    return description;
  }
}

// Ends of an axis on a grid, so that it stands still while a slider moves.
const ROUND = [1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10];

function above(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * ROUND.find(each => each * power >= value * (1 - 1e-9));
}

function around(low, high) {
  const step = above((high - low) / 10 || 0.1);
  return [step * Math.floor(low / step - 0.5), step * Math.ceil(high / step + 0.5)];
}

const rounded = (value, digits = 4) => label(Number(value.toPrecision(digits)));

export function spectrum(element, size, { bulk, spikes, trial }) {
  const frame = new Frame(element, size, { right: 50 });
  const curves = bulk?.curves ?? [], found = spikes ?? [];
  const places = [...curves.flatMap(each => each.x), ...found.map(each => each.singular_value), ...(trial ? [...trial.edges, ...trial.top] : [])];
  const heights = [...curves.flatMap(each => each.y), ...(trial ? trial.height : [])];
  if (!places.length) return frame.show("Spectrum: nothing yet");
  const low = 10 ** (Math.floor(8 * Math.log10(Math.min(...places)) - 0.05) / 8);
  const high = 10 ** (Math.ceil(8 * Math.log10(Math.max(...places)) + 0.3) / 8);
  const top = above(Math.max(...known(heights), 1e-12) * 1.03);
  const most = Math.max(1, ...found.map(each => each.share), ...(trial ? trial.shares : [])) * 1.06;
  const x = frame.x(logarithmic, low, high, "singular value of F / √ñ");
  const y = frame.y(0, top, "density of its logarithm");
  const share = frame.y(0, most, "share explained by q", { right: true });
  if (trial) {
    trial.height.forEach((height, k) => {
      const left = x(trial.edges[k]), right = x(trial.edges[k + 1]);
      frame.add("rect", { class: "bar", x: left.toFixed(1), y: y(height).toFixed(1), width: (right - left).toFixed(1), height: (y(0) - y(height)).toFixed(1) });
    });
  }
  for (const curve of curves) {
    const points = curve.x.map((each, k) => [each, curve.y[k]]).filter(([, each]) => each !== null);
    if (bulk.error) frame.add("path", { class: "band", d: shifted(points, bulk.error, x, y) });
    frame.add("path", { class: "line", d: path(points.map(([a, b]) => [x(a), y(b)])) });
  }
  for (const spike of found) {
    const at = x(spike.singular_value), height = share(spike.share);
    frame.add("path", { class: "stem", d: `M${at} ${share(0)}V${height}` });
    if (spike.error) {
      const [from, to] = [-1, 1].map(sign => x(Math.max(low, spike.singular_value + sign * spike.error)));
      frame.add("path", { class: "stem", d: `M${from} ${height}H${to}M${from} ${height - 3}v6M${to} ${height - 3}v6` });
    }
    frame.add("path", { class: "mark", d: `M${at} ${height - 6}l6 6l-6 6l-6 -6z` });
  }
  if (trial) {
    trial.top.forEach((value, k) => {
      const at = x(value), height = share(trial.shares[k]);
      frame.add("path", { class: "ring", d: `M${at - 4} ${height - 4}h8l-4 8z` });
    });
  }
  const values = found.map(each => rounded(each.singular_value)).join(", ");
  return frame.show(`Spectrum: ${found.length} predicted spikes${values ? ` at ${values}` : ""}, bulk up to ${rounded(Math.max(...curves.flatMap(each => each.x)))}`);
}

// Band of a density whose quantiles are off by a relative error: it is moved along the logarithmic axis.
function shifted(points, error, x, y) {
  const moved = [-1, -0.5, 0, 0.5, 1].map(share => points.map(([a, b]) => [a * Math.exp(share * error), b]));
  const first = points[0][0] * Math.exp(-error), last = points[points.length - 1][0] * Math.exp(error);
  const above = [], below = [];
  for (let k = 0; k <= 80; k++) {
    const at = first * (last / first) ** (k / 80), values = moved.map(each => interpolated(each, at));
    above.push([x(at), y(Math.max(...values))]);
    below.push([x(at), y(Math.min(...values))]);
  }
  return `${path([...above, ...below.reverse()])}Z`;
}

function interpolated(points, at) {
  let low = 0, high = points.length - 1;
  if (!(at >= points[0][0] && at <= points[high][0])) return 0;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= at) low = middle;
    else high = middle;
  }
  const [[a, b], [c, d]] = [points[low], points[high]];
  return c === a ? b : b + (d - b) * (at - a) / (c - a);
}

const LOSSES = { test: "line", objective: "line dashed", train: "line dotted" };

export function losses(element, size, { losses: here, curve, derived, trial, behind }) {
  const frame = new Frame(element, size);
  if (!here && !curve) return frame.show("Losses: nothing yet");
  const exponent = derived?.step_exponent ?? null;
  const at = exponent ?? -0.03; // without a step: at the left end
  const [low, high] = [Math.min(-0.03, at), Math.max(0.52, at + 0.02)];
  const names = Object.keys(LOSSES);
  const values = names.flatMap(name => [
    ...(curve ? curve[name].map((each, k) => each === null ? 0 : each + (curve.error[name][k] ?? 0)) : []),
    here ? here[name] + (here.error?.[name] ?? 0) : 0,
    trial ? trial.losses[name] : 0,
  ]);
  const x = frame.x(linear, low, high, exponent === null ? "step exponent a (η = nᵃ); no step: left end" : "step exponent a (η = nᵃ)", { ticks: steps(Math.max(-2, low), high, Math.max(3, size.width / 90)) });
  const y = frame.y(0, above(Math.max(...known(values), 1e-12) * 1.02), "loss");
  const clip = value => Math.max(frame.box.top, Math.min(frame.box.bottom, y(value)));
  const old = behind ? " old" : "";
  for (const name of names) {
    if (!curve) continue;
    const points = curve.x.map((each, k) => [each, curve[name][k], curve.error[name][k]]).filter(each => each[1] !== null);
    const bars = points.filter(each => each[2] !== null);
    if (bars.length > 1) {
      const edge = sign => bars.map(([a, b, e]) => [x(a), clip(b + sign * e)]);
      frame.add("path", { class: `band${old}`, d: `${path([...edge(1), ...edge(-1).reverse()])}Z` });
    }
    frame.add("path", { class: LOSSES[name] + old, d: path(points.map(([a, b]) => [x(a), y(b)])) });
  }
  for (const name of names) {
    if (!here) continue;
    const [px, py] = [x(at), y(here[name])];
    const error = here.error?.[name];
    if (error) {
      const [from, to] = [clip(here[name] - error), clip(here[name] + error)];
      frame.add("path", { class: "stem", d: `M${px} ${from}V${to}M${px - 3} ${from}h6M${px - 3} ${to}h6` });
    }
    frame.add("circle", { class: "mark", cx: px, cy: py, r: 4.5 });
    if (trial) frame.add("circle", { class: "ring", cx: px, cy: y(trial.losses[name]), r: 4 });
  }
  return frame.show(here ? `Losses: ${names.map(name => `${name} ${rounded(here[name])}`).join(", ")}` : "Losses against the step exponent");
}

export function features(element, size, { spikes, trial, spike }) {
  const frame = new Frame(element, size);
  const shown = spikes?.[spike - 1];
  if (!shown) {
    frame.front.append(svg("text", { x: size.width / 2, y: size.height / 2, "text-anchor": "middle" }, spikes ? "no such spike" : ""));
    return frame.show(spikes ? `There is no spike ${spike}` : "Feature: nothing yet");
  }
  const profile = shown.profile.map((each, k) => [-RANGE + 2 * RANGE * k / (shown.profile.length - 1), each]);
  const heights = known(shown.profile);
  const x = frame.x(linear, -RANGE, RANGE, "learnt variable q of a sample");
  const y = frame.y(...around(Math.min(...heights), Math.max(...heights)), `left vector of spike ${spike}, times √ñ`);
  const inside = (a, b) => a >= -RANGE && a <= RANGE && b >= y.low && b <= y.high;
  const vector = trial?.vectors[spike - 1];
  if (vector) {
    // A singular vector has no sign of its own: it takes that of the theory.
    const overlap = vector.means.reduce((sum, each, k) => sum + (each ?? 0) * interpolated(profile, vector.centres[k]), 0);
    const sign = overlap < 0 ? -1 : 1;
    trial.q.forEach((q, k) => {
      const u = sign * vector.dots[k];
      if (inside(q, u)) frame.add("circle", { class: "sample", cx: x(q).toFixed(1), cy: y(u).toFixed(1), r: 1.3 });
    });
    frame.add("path", { class: "line", d: path(profile.map(([a, b]) => [x(a), y(b)])) });
    vector.means.forEach((mean, k) => {
      if (mean !== null && inside(vector.centres[k], sign * mean)) frame.add("circle", { class: "ring", cx: x(vector.centres[k]), cy: y(sign * mean), r: 3 });
    });
  } else {
    frame.add("path", { class: "line", d: path(profile.map(([a, b]) => [x(a), y(b)])) });
  }
  const parts = shown.alignment.map((each, k) => each > 0.005 ? `${rounded(each, 3)} with degree ${k}` : "").filter(Boolean).join(", ");
  return frame.show(`Feature of spike ${spike}: squared correlation ${parts}`);
}
