// Fields of the setting: texts, and sliders beside them. What they mean is for the server to say.
const STEPS = ["step_exponent", "step_size"];
const TICKS = 1000;
const DELAY = 400; // ms before an error is shown: a word that is being typed is not wrong yet

const make = (tag, attributes = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
};

export class Fields {
  constructor(place, controls, onInput) {
    this.controls = new Map(controls.map(each => [each.key, each]));
    this.inputs = new Map();
    this.sliders = new Map();
    this.onInput = onInput;
    const groups = new Map();
    for (const control of controls) {
      if (!groups.has(control.group)) {
        const group = make("fieldset", {}, make("legend", {}, control.group));
        groups.set(control.group, group);
        place.append(group);
      }
      if (control.key === STEPS[0]) groups.get(control.group).append(this.steps());
      groups.get(control.group).append(this.field(control));
    }
  }

  steps() {
    const row = make("div", { class: "choice", role: "radiogroup", "aria-label": "Step given as" });
    for (const key of STEPS) {
      const radio = make("input", { type: "radio", name: "step", value: key, id: `by-${key}` });
      radio.addEventListener("change", event => {
        this.show(key);
        const derived = this.derived?.[key];
        const other = STEPS.find(each => each !== key);
        if (!this.inputs.get(key).value) {
          this.inputs.get(key).value = derived == null ? "0" : String(Number(derived.toPrecision(4)));
        }
        this.inputs.get(other).value = "";
        this.follow(key);
        this.onInput(event);
      });
      row.append(make("label", { for: `by-${key}` }, radio, key === "step_size" ? "step size" : "step exponent"));
    }
    return row;
  }

  // One of the two steps at a time.
  show(key) {
    for (const each of STEPS) {
      document.getElementById(`by-${each}`).checked = each === key;
      document.getElementById(`field-${each}`).hidden = each !== key;
    }
  }

  field(control) {
    const { key, slider, options, names } = control;
    const id = `input-${key}`;
    const wide = Boolean(names);
    const field = make("div", { class: wide ? "field wide" : "field", id: `field-${key}`, title: control.about || "" });
    field.append(make("label", { for: id }, control.label));
    let input;
    if (options) {
      input = make("select", { id }, ...options.map(each => make("option", { value: each }, each.replaceAll("_", " "))));
    } else {
      input = make("input", { id, spellcheck: "false", autocapitalize: "off" });
      if (slider) input.setAttribute("inputmode", control.whole ? "numeric" : "decimal");
      if (key === "n_ridge") input.placeholder = "as n";
    }
    if (names) {
      field.append(make("datalist", { id: `names-${key}` }, ...names.map(each => make("option", { value: each }))));
      input.setAttribute("list", `names-${key}`);
    }
    input.setAttribute("aria-describedby", `error-${key}`);
    input.addEventListener("input", event => {
      this.follow(key);
      this.onInput(event);
    });
    this.inputs.set(key, input);
    field.append(input);
    if (slider) field.append(this.slider(control));
    field.append(make("p", { class: "error", id: `error-${key}`, hidden: "" }));
    return field;
  }

  slider({ key, slider, label, whole }) {
    const range = make("input", { type: "range", min: 0, max: TICKS, step: 1, id: `slider-${key}`, "aria-label": `${label}, slider` });
    range.addEventListener("input", event => {
      const share = range.value / TICKS;
      const value = slider.logarithmic
        ? slider.low * (slider.high / slider.low) ** share
        : slider.low + (slider.high - slider.low) * share;
      const text = whole ? String(Math.round(value)) : String(Number(value.toPrecision(3)));
      this.inputs.get(key).value = text;
      range.setAttribute("aria-valuetext", text);
      if (key === "n") this.follow("n_ridge");
      this.onInput(event);
    });
    this.sliders.set(key, range);
    return range;
  }

  // Put a slider where its text says.
  follow(key) {
    const range = this.sliders.get(key), { slider } = this.controls.get(key);
    if (key === "n") this.follow("n_ridge");
    if (!range) return;
    const own = this.inputs.get(key).value;
    const value = Number(key === "n_ridge" && !own ? this.inputs.get("n").value : own);
    const share = slider.logarithmic
      ? Math.log(value / slider.low) / Math.log(slider.high / slider.low)
      : (value - slider.low) / (slider.high - slider.low);
    if (Number.isFinite(share)) range.value = Math.round(TICKS * Math.min(1, Math.max(0, share)));
    range.setAttribute("aria-valuetext", own || "as n");
  }

  get texts() {
    const found = {};
    for (const [key, input] of this.inputs) {
      const text = input.value.trim();
      const skipped = STEPS.includes(key) && document.getElementById(`field-${key}`).hidden;
      if (text && !skipped && text !== this.controls.get(key).default) found[key] = text;
    }
    return found;
  }

  set texts(given) {
    for (const [key, input] of this.inputs) input.value = given[key] ?? this.controls.get(key).default;
    this.show(given.step_size !== undefined ? "step_size" : "step_exponent");
    for (const key of this.inputs.keys()) this.follow(key);
    this.clear();
  }

  // An error beside its field; false where there is no such field.
  refuse(key, text) {
    clearTimeout(this.timer);
    if (STEPS.includes(key)) key = STEPS.find(each => !document.getElementById(`field-${each}`).hidden);
    if (!this.inputs.has(key) || document.getElementById(`field-${key}`).hidden) return false;
    this.timer = setTimeout(() => {
      this.clear();
      const place = document.getElementById(`error-${key}`);
      place.textContent = text;
      place.hidden = false;
      this.inputs.get(key).setAttribute("aria-invalid", "true");
    }, DELAY);
    return true;
  }

  clear() {
    clearTimeout(this.timer);
    for (const [key, input] of this.inputs) {
      if (!input.hasAttribute("aria-invalid")) continue;
      input.removeAttribute("aria-invalid");
      document.getElementById(`error-${key}`).hidden = true;
    }
  }
}
