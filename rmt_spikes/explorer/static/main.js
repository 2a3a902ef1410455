import { Fields } from "./fields.js";
import * as figures from "./figures.js";
import { Gone, Refused, Stranger, post, stream, take } from "./server.js";

const PAUSE = 200; // ms without an input before the whole theory is asked for
const TABLE_PAUSE = 120; // ms between tables: nobody reads numbers that change faster
const REST = 60; // ms without an answer after which a slider rests: the curve is asked for
const CURVE_PAUSE = 600; // ms between curves that are asked for while a slider moves
const NAMES = ["spectrum", "losses", "features"];
const DRAWN_FROM = { spectrum: ["bulk", "spikes"], losses: ["losses", "curve", "derived"], features: ["spikes"] };
const byId = id => document.getElementById(id);
const say = text => { byId("status").textContent = text; };

let fields, start, spike = 1, seed = null;
let shown = {}; // what is drawn: parts of the theory, and of what they are
let trial = null;
let version = 0, asking = false, asked = 0; // of inputs
let strange = ""; // what the address has that is no key
let refining, running, pause, writing, tableWaits;
let curveOf = "", curveWaits, curveDue = 0, curveAsked = false;
const sizes = new Map();
const drawn = new Map(); // of each figure, what it shows: it is drawn again where that has changed
const described = new Map(); // in words
const inputs = []; // those that wait to be painted: [version, time]

// --- the state in the address ---------------------------------------------------------------------------

function read() {
  const parameters = new URLSearchParams(location.hash.slice(1));
  take(parameters);
  history.replaceState(null, "", `#${parameters}`);
  const texts = Object.fromEntries(parameters);
  spike = Math.min(5, Math.max(1, Math.trunc(Number(texts.spike)) || 1));
  delete texts.spike;
  return texts;
}

function address() {
  const parameters = new URLSearchParams(fields.texts);
  if (spike > 1) parameters.set("spike", spike);
  return `#${parameters}`;
}

function write() {
  clearTimeout(writing);
  writing = setTimeout(() => history.replaceState(null, "", address()), PAUSE);
}

function load(texts) {
  const own = Object.keys(texts).length ? texts : start.texts;
  fields.texts = own;
  const unknown = Object.keys(own).filter(key => !fields.inputs.has(key));
  strange = unknown.length ? `Left out: the address has keys that are unknown: ${unknown.join(", ").slice(0, 200)}.` : "";
  changed();
}

// --- asking ---------------------------------------------------------------------------------------------

const same = (a, b) => JSON.stringify(Object.entries(a).sort()) === JSON.stringify(Object.entries(b).sort());
const question = (more = {}) => ({ texts: fields.texts, spike, seed: shownTrial()?.seed ?? null, ...more });
const shownTrial = () => trial && same(trial.texts, fields.texts) ? trial : null;

function changed(event) {
  version += 1;
  if (event?.timeStamp) inputs.push([version, event.timeStamp]);
  refining?.abort();
  clearTimeout(pause);
  write();
  preview();
}

// One question at a time: what changes meanwhile is asked for next, once, before the answer is drawn: the
// server computes while the browser paints.
async function preview() {
  if (asking || asked === version) return;
  asking = true;
  const now = asked = version;
  let answer, error;
  try {
    answer = await post("preview", question());
  } catch (failure) {
    error = failure;
  }
  asking = false;
  preview();
  if (error) return refused(error);
  fields.clear();
  answered(now, answer);
  curve();
  if (asked === now) pause = setTimeout(refine, PAUSE);
}

function answered(now, answer) {
  alive();
  fields.derived = answer.derived;
  const { curve: line, curve_by } = shown;
  shown = answer.uncovered ? { ...answer } : { ...answer, curve: line, curve_by };
  stale(false);
  draw();
  say(answer.uncovered ? "Computing." : "Closed form; the whole theory follows.");
  painted(now);
}

// The closed form against the step, which needs no more than the setting without its step. It takes longer
// than the rest, and a processor from it: it is asked for when a slider rests, and now and then while it moves.
// One that is of an earlier setting is faded.
function curve() {
  if (curveAsked || withoutStep(fields.texts) === curveOf) return;
  curveDue ||= performance.now() + CURVE_PAUSE;
  clearTimeout(curveWaits);
  curveWaits = setTimeout(askCurve, Math.max(0, Math.min(REST, curveDue - performance.now())));
}

async function askCurve() {
  const now = withoutStep(fields.texts);
  curveDue = 0;
  if (now === curveOf || shown.uncovered) return;
  curveAsked = true;
  try {
    const answer = await post("curve", question());
    // The whole theory may have come first.
    if (curveOf !== now) shown = { ...shown, ...answer };
  } catch (error) {
    if (!(error instanceof Refused)) refused(error);
    shown = { ...shown, curve: undefined, curve_by: undefined };
  }
  curveOf = now;
  curveAsked = false;
  draw(["losses"]);
  curve();
}

function withoutStep({ step_size, step_exponent, ...rest }) {
  return JSON.stringify(rest);
}

// The whole theory, part by part.
async function refine() {
  const controller = refining = new AbortController();
  const problems = [], now = withoutStep(fields.texts);
  try {
    for await (const answer of stream("refine", question(), controller.signal)) {
      if (controller.signal.aborted) return;
      if (answer.error) {
        problems.push(`${answer.part}: ${answer.error}`);
        continue;
      }
      shown = { ...shown, ...answer };
      if (answer.curve) curveOf = now;
      draw();
      say(`${theory()}: ${Object.keys(answer)[0]} computed.`);
    }
    if (problems.length) shown.problems = problems;
    draw();
    say(problems.length ? "The theory has not been computed in full." : `${theory()}.`);
    document.body.dataset.settled = version;
  } catch (error) {
    if (error.name !== "AbortError") refused(error);
  }
}

// Name of the theory that is shown.
function theory() {
  const method = (shown.losses_by?.method ?? "whole").replaceAll("_", " ");
  return `${method[0].toUpperCase()}${method.slice(1)} theory`;
}

function refused(error) {
  if (error instanceof Refused) {
    alive();
    stale(true);
    const placed = error.field && fields.refuse(error.field, error.message);
    if (!placed) general(error.field ? `${error.field}: ${error.message}` : error.message);
    say("The setting has an error; the figures show the last one without.");
  } else if (error instanceof Gone) {
    alarm("The server does not answer. If it has ended, start it again with rmt-spikes explore and open the address that it prints; to keep this setting, put what follows # in the address of this page after its #.");
  } else if (error instanceof Stranger) {
    alarm("This page belongs to another run of the server: open the address that rmt-spikes explore has printed.");
  } else {
    throw error;
  }
}

function alarm(text) {
  byId("alert").textContent = text;
  byId("alert").hidden = false;
  stale(true);
  say("No connection.");
}

function alive() {
  byId("alert").hidden = true;
  general("");
}

function general(text) {
  const shown = [text, strange].filter(Boolean).join(" ");
  byId("general-error").textContent = shown;
  byId("general-error").hidden = !shown;
}

// --- drawing --------------------------------------------------------------------------------------------

function stale(is) {
  for (const name of NAMES) byId(name).classList.toggle("stale", is);
}

function draw(names = NAMES) {
  const own = shownTrial(), behind = withoutStep(fields.texts) !== curveOf;
  document.body.classList.toggle("with-trial", Boolean(own));
  for (const name of names) {
    const size = sizes.get(name), last = drawn.get(name);
    if (!size) continue;
    const now = JSON.stringify([size, spike, behind && name === "losses", ...DRAWN_FROM[name].map(part => shown[part])]);
    if (last?.now === now && last.own === own) continue;
    drawn.set(name, { now, own });
    described.set(name, figures[name](byId(name), size, { ...shown, trial: own, spike, behind }));
  }
  tableWaits ||= setTimeout(() => {
    tableWaits = 0;
    table(shownTrial());
  }, TABLE_PAUSE);
}

// When what an input changed has been painted: the time from one to the other.
function painted(now) {
  requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      const end = performance.now();
      while (inputs.length && inputs[0][0] <= now) performance.measure("input to paint", { start: inputs.shift()[1], end });
    };
    port2.postMessage("");
  });
}

const number = value => value == null ? "" : String(Number(value.toPrecision(5))).replace("-", "\u2212");

function table(own) {
  const rows = [];
  const { losses, spikes = [], bulk, derived } = shown;
  if (losses) {
    for (const [name, title] of [["test", "test loss"], ["objective", "ridge objective"], ["train", "training loss"]]) {
      rows.push([title, losses[name], losses.error?.[name], own?.losses[name]]);
    }
  }
  spikes.forEach((each, k) => {
    rows.push([`singular value of spike ${k + 1}`, each.singular_value, each.error, own?.top[k]]);
    rows.push([`share explained by q, spike ${k + 1}`, each.share, null, own?.shares[k]]);
  });
  if (bulk?.curves.length) rows.push(["upper edge of the bulk", Math.max(...bulk.curves.flatMap(each => each.x)), null, null]);
  for (const [name, text] of described) byId(name).setAttribute("aria-label", text);
  numbers(rows);
  if (derived) {
    const step = derived.step_exponent === null ? "no step" : `η = ${number(derived.step_size)} = n^${number(derived.step_exponent)}`;
    const beyond = bulk?.beyond_edge > 0.01 ? `; ${number(Number(bulk.beyond_edge.toPrecision(2)))} values of single samples expected beyond the bulk` : "";
    byId("derived").textContent = `${step}; d/n = ${number(derived.phi)}, d/N = ${number(derived.psi)}${beyond}.`;
  }
  const notes = ["losses", "spikes", "bulk", "curve"].flatMap(name => (shown[`${name}_by`]?.warnings ?? []).map(text => `${name}, ${shown[`${name}_by`].method.replace("_", " ")}: ${text}`));
  const lines = [...notes, ...(shown.problems ?? [])];
  fill("warnings", lines, text => Object.assign(document.createElement("li"), { textContent: text }));
  const choice = byId("spike"), count = Math.max(spikes.length, spike, 1);
  if (choice.length !== count) {
    choice.replaceChildren(...Array.from({ length: count }, (_, k) => new Option(String(k + 1))));
  }
  choice.value = String(spike);
  for (const form of ["python", "toml"]) fill(form, [shown[form] ?? ""], text => text);
}

// Rows of the table: texts change, and rows only where their number does.
function numbers(rows) {
  const body = byId("numbers");
  while (body.rows.length > rows.length) body.deleteRow(-1);
  while (body.rows.length < rows.length) {
    const row = body.insertRow(), head = document.createElement("th");
    head.scope = "row";
    row.append(head);
    for (let k = 0; k < 3; k++) row.insertCell();
    row.lastChild.className = "simulated";
  }
  rows.forEach(([title, predicted, error, seen], k) => {
    const bar = error == null ? "" : `± ${number(Number(error.toPrecision(2)))}`;
    [title, number(predicted), bar, number(seen)].forEach((text, column) => {
      const cell = body.rows[k].cells[column];
      if (cell.textContent !== text) cell.textContent = text;
    });
  });
}

// Children of an element, made again where they have changed.
const filled = new Map();
function fill(id, items, make) {
  const now = JSON.stringify(items);
  if (filled.get(id) === now) return;
  filled.set(id, now);
  byId(id).replaceChildren(...items.map(make));
}

// --- simulation -----------------------------------------------------------------------------------------

async function simulate() {
  const text = byId("seed").value.trim(), valid = /^\d{1,15}$/.test(text);
  byId("error-seed").hidden = valid;
  byId("error-seed").textContent = `seed: must be a whole number of at most 15 digits, got '${text.slice(0, 40)}'`;
  byId("seed").toggleAttribute("aria-invalid", !valid);
  if (!valid) return byId("seed").setAttribute("aria-invalid", "true");
  running = new AbortController();
  const begin = performance.now();
  const seconds = () => `${Math.round((performance.now() - begin) / 1000)} s`;
  let stage = "Waiting";
  const clock = setInterval(() => { byId("stage").textContent = `${stage}, ${seconds()}`; }, 250);
  byId("stage").textContent = stage;
  byId("progress").value = 0;
  byId("run").disabled = true;
  byId("cancel").hidden = byId("running").hidden = false;
  try {
    for await (const answer of stream("trial", question({ seed: Number(text) }), running.signal)) {
      if (answer.error) throw new Refused(answer);
      if (answer.progress) {
        const { stage: name, number: k, of } = answer.progress;
        stage = `Stage ${k} of ${of}, ${name}`;
        byId("progress").value = (k - 0.5) / of;
      }
      if (answer.trial) {
        trial = answer.trial;
        say(`One network simulated in ${seconds()}.`);
        changed();
      }
    }
  } catch (error) {
    if (error.name === "AbortError") say("The simulation was cancelled.");
    else refused(error);
  } finally {
    clearInterval(clock);
    if (byId("cancel") === document.activeElement) byId("run").focus();
    byId("run").disabled = false;
    byId("cancel").hidden = byId("running").hidden = true;
  }
}

// --- exports --------------------------------------------------------------------------------------------

function download(text, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: name.endsWith(".svg") ? "image/svg+xml" : "text/plain" }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

async function exported(button, what, act) {
  button.disabled = true;
  byId("saved").textContent = "";
  try {
    byId("saved").textContent = await act();
  } catch (error) {
    if (error instanceof Refused) byId("saved").textContent = `${what}: ${error.message}`;
    else refused(error);
  } finally {
    button.disabled = false;
  }
}

async function copied(text, what) {
  try {
    await navigator.clipboard.writeText(text);
    say(`${what} copied.`);
  } catch {
    say("The browser does not let this page copy: select the text instead.");
  }
}

for (const button of document.querySelectorAll("[data-figure]")) {
  const name = button.dataset.figure;
  button.addEventListener("click", () => exported(button, name, async () => {
    download((await post("figure", question({ figure: name }))).svg, `${name}.svg`);
    return "";
  }));
}
for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => copied(byId(button.dataset.copy).textContent, button.dataset.copy === "toml" ? "Setting" : "Lines"));
}
for (const button of document.querySelectorAll("[data-download]")) {
  button.addEventListener("click", () => download(byId(button.dataset.download).textContent, button.dataset.name));
}
byId("save").addEventListener("click", event => exported(event.currentTarget, "not saved", async () => {
  const { saved, files, missing } = await post("save", question());
  const without = Object.entries(missing).map(([name, why]) => ` Without ${name}: ${why}.`);
  return `Saved in ${saved}: ${files.join(", ")}.${without.join("")}`;
}));
byId("copy-link").addEventListener("click", () => copied(`${location.origin}/${address()}`, "Link"));
byId("reset").addEventListener("click", () => load(start.texts));
byId("run").addEventListener("click", simulate);
byId("cancel").addEventListener("click", () => running?.abort());
byId("spike").addEventListener("change", event => {
  spike = Number(event.currentTarget.value);
  changed();
});
byId("controls").addEventListener("submit", event => event.preventDefault());
document.querySelector(".skip").addEventListener("click", event => {
  event.preventDefault();
  byId("results").focus();
});
addEventListener("hashchange", () => { if (fields) load(read()); });

const watch = new ResizeObserver(entries => {
  for (const { target, contentRect } of entries) sizes.set(target.id, { width: contentRect.width, height: contentRect.height });
  if (fields) draw();
});
for (const name of NAMES) watch.observe(byId(name));

async function begin() {
  const texts = read();
  try {
    start = await post("start", {});
  } catch (error) {
    return refused(error);
  }
  byId("version").textContent = start.version;
  byId("save").hidden = start.folder === null;
  fields = new Fields(byId("fields"), start.controls, changed);
  load(texts);
}

begin();
