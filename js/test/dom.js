// A page without a browser: the globals of happy-dom, canvases that record, elements that have a size.
import { setMaxListeners } from "node:events";
import { readFileSync } from "node:fs";
import { inflateRawSync } from "node:zlib";
import { Window } from "happy-dom";
import { recorder, rules } from "./helpers.js";

export const window = new Window({ width: 1024, height: 768 });
const NAMES = [
  "document HTMLElement HTMLInputElement HTMLCanvasElement Element Node ShadowRoot Comment Text",
  "ResizeObserver MutationObserver matchMedia getComputedStyle requestAnimationFrame",
  "cancelAnimationFrame KeyboardEvent MouseEvent PointerEvent Event",
];
for (const name of NAMES.join(" ").split(" ")) globalThis[name] = window[name];
globalThis.window = window;

Object.defineProperty(window.HTMLElement.prototype, "clientWidth", { get: () => 900 });
const contexts = new WeakMap();
/** What was drawn on a canvas. */
export function contextOf(canvas) {
  if (!contexts.has(canvas)) {
    const context = recorder();
    context.createImageData = (width, height) => ({
      data: new Uint8ClampedArray(4 * width * height),
    });
    context.putImageData = () => {};
    contexts.set(canvas, context);
  }
  return contexts.get(canvas);
}
window.HTMLCanvasElement.prototype.getContext = function () {
  return contextOf(this);
};

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** Let changes, replies and animation frames follow from one another, also on a slow machine. */
export async function settled() {
  for (let i = 0; i < 5; i++) await pause(20);
}

export const press = (element, key, more = {}) =>
  element.dispatchEvent(
    new window.KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }),
  );

export const click = (element, more = {}) =>
  element.dispatchEvent(new window.MouseEvent("click", { bubbles: true, detail: 1, ...more }));

/** Type into a field. */
export function type(element, value, event = "input") {
  element.value = value;
  element.dispatchEvent(new window.Event(event, { bubbles: true }));
}

/** Render a template into a new element. */
export async function rendered(template) {
  const { render } = await import("lit-html");
  const element = document.createElement("div");
  document.body.append(element);
  render(template, element);
  return element;
}

/** The text of an element, with single spaces. */
export const textOf = (element) => element.textContent.replace(/\s+/g, " ").trim();

const FILE = new URL("frames/page.json", import.meta.url);

/** What the kernel sends of choices. */
const CHOICES = {
  theme: ["auto", "light", "dark"],
  mode: ["zero", "mean", "uniform"],
  format: ["png", "svg", "html"],
};

/** The other traits, as Python sends them for a new widget. */
const DEFAULTS = {
  view: "head",
  method: "raw",
  layer: 0,
  head: 0,
  query: [],
  key: [],
  residual: 0.5,
  reduce: "mean",
  normalise: false,
  baseline: false,
  text: "",
  pair: "",
  step: -1,
  theme: "auto",
  threshold: 0.02,
  hide_special: false,
  words: false,
  find: "",
  segments: "all",
  hide_sinks: false,
  metric: {},
  capture_id: 0,
  error: {},
  running: "",
};

/** The traits of the stored page: 5 tokens, 3 layers, 2 heads, decoder and cross-attention. */
function storedTraits({ groups, places }) {
  const methods = [...new Set(places.map(({ method }) => method))];
  const info = {
    model: "stored",
    can_run: false,
    groups: Object.entries(groups).map(([name, { size }]) => ({
      name,
      layers: 3,
      heads: 2,
      n_queries: size[0],
      n_keys: size[1],
      methods,
    })),
  };
  const views = ["head", "model", "neuron", "matrix", "text"];
  const traits = { ...DEFAULTS, views, methods, info, attention: "decoder", heads: [0, 1] };
  return { ...traits, info: { ...info, rules, choices: CHOICES, traits: Object.keys(traits) } };
}

/**
 * A model that replies from the stored page.
 * @param {Record<string, any>} [traits]
 * @param {(stored: any) => void} [edit] changes what is stored first
 */
export async function storedModel(traits = {}, edit = () => {}) {
  const { answers } = await import("../src/static/frames.js");
  const { StaticModel } = await import("../src/static/model.js");
  const { unpacked } = await import("../src/static/numbers.js");
  const { payload } = JSON.parse(readFileSync(FILE, "utf8"));
  const bytes = new Uint8Array(inflateRawSync(Buffer.from(payload, "base64")));
  const stored = unpacked(bytes);
  edit(stored);
  const state = { ...stored.state, ...storedTraits(stored), ...traits };
  return new StaticModel(state, answers(stored, bytes));
}

/** A mounted view of the widget and how to find its parts. */
export async function mounted(model) {
  const { mount } = await import("../src/app.js");
  const el = document.createElement("div");
  document.body.append(el);
  const end = new AbortController();
  setMaxListeners(0, end.signal);
  mount(model, el, end.signal);
  await settled();
  const host = el.firstElementChild;
  const root = host.shadowRoot;
  const find = (selector) => root.querySelector(selector);
  const surface = () => find("[data-ready]");
  return { host, root, find, surface, end, stage: find(".stage") };
}
