// The controls in a page: what each shows for given traits, and what it sets.
import assert from "node:assert/strict";
import { test } from "node:test";
import { click, press, rendered, textOf, type, window } from "./dom.js";
import { look, rules } from "./helpers.js";

const { controls } = await import("../src/controls/controls.js");
const { headToggles, isolated, toggled } = await import("../src/controls/head-toggles.js");
const { likelyTokens } = await import("../src/controls/likely-tokens.js");
const { generationSteps } = await import("../src/controls/generation-steps.js");
const { textInput } = await import("../src/controls/text-input.js");
const { createAblation } = await import("../src/controls/ablation.js");
const { createShell } = await import("../src/controls/shell.js");

const group = {
  name: "self",
  layers: 4,
  heads: 3,
  n_queries: 5,
  n_keys: 5,
  methods: ["raw", "rollout", "flow", "relevance"],
};
const choices = {
  theme: ["auto", "light", "dark"],
  mode: ["zero", "mean", "uniform"],
  format: ["png", "svg", "html"],
};
const traits = {
  view: "head",
  method: "raw",
  layer: 1,
  head: 0,
  heads: [0, 1, 2],
  query: [],
  key: [],
  attention: "self",
  text: "a b",
  pair: "",
  step: -1,
  theme: "auto",
  threshold: 0.02,
  hide_special: false,
  hide_sinks: false,
  words: false,
  find: "",
  segments: "all",
  views: ["head", "model", "neuron", "matrix", "text"],
  methods: ["raw", "rollout", "flow", "relevance", "value_weighted"],
  info: { model: "m", can_run: true, rules, choices, groups: [group] },
};

/** Actions that note what they were called with. */
function actionsOf() {
  const calls = [];
  const note =
    (name) =>
    (...values) =>
      calls.push([name, ...values]);
  const names = "set highlightHead fold nextMatch save choose edit run".split(" ");
  return { calls, ...Object.fromEntries(names.map((name) => [name, note(name)])) };
}

async function shown(more = {}, state = {}) {
  const actions = actionsOf();
  const page = await rendered(
    controls(
      {
        traits: { ...traits, ...more },
        width: 1000,
        narrow: false,
        folded: true,
        runFailed: false,
        matches: null,
        progress: null,
        look,
        options: [],
        ...state,
      },
      actions,
    ),
  );
  return { page, calls: actions.calls, find: (selector) => page.querySelector(selector) };
}

test("a tab sets the view; the neuron view comes with raw attention", async () => {
  const { find, calls } = await shown({ method: "flow" });
  click(find("[data-view='matrix']"));
  click(find("[data-view='neuron']"));
  assert.deepEqual(calls, [
    ["set", { view: "matrix" }],
    ["set", { view: "neuron", method: "raw" }],
  ]);
  assert.equal(find("[data-view='head']").getAttribute("aria-selected"), "true");
});

test("parts have a stepper where there are several, counted from 1", async () => {
  const parts = { n: 16, word: "window" };
  const info = { ...traits.info, groups: [{ ...group, parts }] };
  for (const view of traits.views) {
    const { find, calls } = await shown({ info, view, part: 2 }, { width: 1200 });
    assert.equal(textOf(find("[data-step='window']")), "window ‹ 3 › of 16", view);
    click(find("[data-step='window'] button[aria-label='next window']"));
    click(find("[data-step='window'] button[aria-label='previous window']"));
    assert.deepEqual(calls, [
      ["set", { part: 3 }],
      ["set", { part: 1 }],
    ]);
  }
  const last = await shown({ info, part: 15 });
  assert.ok(last.find("[data-step='window'] button[aria-label='next window']").disabled);
  const single = { ...traits.info, groups: [{ ...group, parts: { n: 1, word: "part" } }] };
  assert.equal((await shown({ info: single, part: 0 })).find("[data-step='part']"), null);
});

test("the toggles and the stepper of heads are those of the layer", async () => {
  const info = { ...traits.info, groups: [{ ...group, layer_heads: [3, 2, 3, 3] }] };
  const { page, calls, find } = await shown({ info, heads: [1, 2] });
  assert.equal(page.querySelectorAll("[data-head]").length, 2);
  click(find("[data-head='0']"));
  click(find("[data-head='1']")); // the only one that is on in this layer: it stays on
  assert.deepEqual(calls, [
    ["set", { heads: [0, 1, 2] }], // head 2 stays chosen for the layers that have it
    ["set", { heads: [1, 2] }],
  ]);
  const matrix = await shown({ info, view: "matrix", head: 1 }, { width: 1200 });
  assert.equal(textOf(matrix.find("[data-step='head']")), "head ‹ 1 › of 0–1");
});

test("left and right move within the tabs, and around their ends", async () => {
  const { find, calls } = await shown();
  press(find("[data-view='head']"), "ArrowLeft");
  press(find("[data-view='head']"), "ArrowRight");
  assert.deepEqual(calls, [
    ["set", { view: "text" }],
    ["set", { view: "model" }],
  ]);
});

test("three methods have buttons, the others one select, and what does not apply is disabled with its reason", async () => {
  const reasons = { value_weighted: "the capture has no values" };
  const info = { ...traits.info, groups: [{ ...group, reasons }] };
  const { page, find, calls } = await shown({ info });
  assert.equal(page.querySelectorAll("[data-method]").length, 3);
  click(find("[data-method='flow']"));
  type(find("select.more"), "relevance", "change");
  assert.deepEqual(calls, [
    ["set", { method: "flow" }],
    ["set", { method: "relevance" }],
  ]);
  const option = find("option[value='value_weighted']");
  assert.equal(option.disabled, true);
  assert.equal(option.title, "the capture has no values");
  assert.equal(find("option[value='relevance']").hasAttribute("title"), false);
});

test("a method from the select is the chosen one", async () => {
  const { find } = await shown({ method: "relevance" });
  assert.equal(find("select.more").value, "relevance");
  assert.equal(find("select.more").dataset.chosen, "true");
  assert.equal(find("[data-method='raw']").tabIndex, 0); // Tab still reaches the group
});

test("the layer steps within its range", async () => {
  const { find, calls } = await shown({ layer: 3 });
  assert.match(textOf(find("[data-step='layer']")), /layer ‹ 3 › of 0–3/);
  assert.equal(find("[aria-label='next layer']").disabled, true);
  click(find("[aria-label='previous layer']"));
  assert.deepEqual(calls, [["set", { layer: 2 }]]);
  const first = await shown({ layer: 0 });
  assert.equal(first.find("[aria-label='previous layer']").disabled, true);
});

test("the head has a stepper where one head of a per-head method is shown", async () => {
  assert.ok((await shown({ view: "matrix" })).find("[data-step='head']"));
  assert.equal((await shown({ view: "matrix", method: "flow" })).find("[data-step='head']"), null);
  assert.equal((await shown({ view: "head" })).find("[data-step='head']"), null);
  assert.equal((await shown({ view: "model" })).find("[data-step='layer']"), null);
});

test("the theme button goes round auto, light, dark", async () => {
  for (const [theme, next] of [
    ["auto", "light"],
    ["light", "dark"],
    ["dark", "auto"],
  ]) {
    const { find, calls } = await shown({ theme });
    click(find("[data-theme-button]"));
    assert.deepEqual(calls, [["set", { theme: next }]]);
  }
});

test("the save menu saves and forgets the choice, so that the same can be saved again", async () => {
  const { find, calls } = await shown();
  type(find("[data-save]"), "svg", "change");
  assert.deepEqual(calls, [["save", "svg"]]);
  assert.equal(find("[data-save]").value, "");
});

test("the filters set their traits", async () => {
  const { find, calls } = await shown();
  const check = (name) => {
    find(`[data-trait='${name}']`).checked = true;
    find(`[data-trait='${name}']`).dispatchEvent(new window.Event("change"));
  };
  check("hide_special");
  check("words");
  type(find("[type='range']"), "0.1");
  type(find(".find input"), "key");
  assert.deepEqual(calls, [
    ["set", { hide_special: true }],
    ["set", { words: true }],
    ["set", { threshold: 0.1 }],
    ["set", { find: "key" }],
  ]);
});

test("hiding sinks is offered once special tokens are hidden, the threshold in the head view only", async () => {
  assert.equal((await shown()).find("[data-trait='hide_sinks']"), null);
  assert.ok((await shown({ hide_special: true })).find("[data-trait='hide_sinks']"));
  assert.equal((await shown({ view: "matrix" })).find("[type='range']"), null);
  assert.equal((await shown({ view: "neuron" })).find("[data-trait='hide_special']"), null);
});

test("attention is chosen where there are several, sentences where there are two", async () => {
  const groups = [
    { ...group, segments: ["all", "A-B"] },
    { ...group, name: "cross" },
  ];
  const { find, calls } = await shown({ info: { ...traits.info, groups } });
  type(find("[aria-label='which attention']"), "cross", "change");
  type(find("[data-choice='sentences']"), "A-B", "change");
  assert.deepEqual(calls, [
    ["set", { attention: "cross" }],
    ["set", { segments: "A-B" }],
  ]);
  assert.match(textOf(find("[data-choice='sentences']")), /A → B/);
});

test("Enter goes to the next match and Shift + Enter to the one before; none is an error", async () => {
  const { find, calls } = await shown({ find: "k" }, { matches: { count: 3, at: 1 } });
  assert.equal(textOf(find("[data-next]")), "2 of 3 ›");
  press(find(".find input"), "Enter");
  press(find(".find input"), "Enter", { shiftKey: true });
  press(find(".find input"), "a");
  assert.deepEqual(calls, [
    ["nextMatch", 1],
    ["nextMatch", -1],
  ]);
  const none = await shown({ find: "k" }, { matches: { count: 0, at: -1 } });
  assert.equal(none.find(".find input").getAttribute("aria-invalid"), "true");
  assert.equal(none.find("[data-next]"), null);
});

test("narrow pages fold their filters away", async () => {
  const narrow = { narrow: true, width: 400 };
  const folded = await shown({}, narrow);
  assert.equal(folded.find(".find"), null);
  click(folded.find("[aria-label='filters']"));
  assert.deepEqual(
    folded.calls.map(([name]) => name),
    ["fold"],
  );
  assert.ok((await shown({}, { ...narrow, folded: false })).find(".find"));
});

test("after a failed run nothing can be chosen but the theme", async () => {
  const { page, find } = await shown({}, { runFailed: true });
  assert.equal(find("[data-view='matrix']").disabled, true);
  assert.equal(find("[data-method='flow']").disabled, true);
  assert.equal(find("[data-save]"), null);
  assert.equal(page.querySelectorAll(".filters").length, 0);
  assert.ok(find("[data-theme-button]"));
});

test("the progress bar is as wide as the share that is done", async () => {
  assert.equal((await shown({}, { progress: 0.25 })).find(".progress").style.width, "25.0%");
  assert.equal((await shown()).find(".progress"), null);
});

test("a choice of the view is set by name", async () => {
  const option = { name: "channels", choices: ["in order", "by contribution"], value: "in order" };
  const { find, calls } = await shown({}, { options: [option] });
  assert.equal(find("[data-choice='channels']").value, "in order");
  type(find("[data-choice='channels']"), "by contribution", "change");
  assert.deepEqual(calls, [["choose", "channels", "by contribution"]]);
});

test("a click toggles a head, a double-click isolates it, and the last head stays on", async () => {
  assert.deepEqual(toggled([0, 2], 1), [0, 1, 2]);
  assert.deepEqual(toggled([0, 2], 2), [0]);
  assert.deepEqual(toggled([2], 2), [2]);
  assert.deepEqual(isolated([0, 1, 2], 1, 3), [1]);
  assert.deepEqual(isolated([1], 1, 3), [0, 1, 2]);

  const { render } = await import("lit-html");
  const page = await rendered(null);
  let now = { ...traits };
  const set = (values) => {
    now = { ...now, ...values };
    draw();
  };
  const draw = () => render(headToggles(now, look, { set, highlightHead() {} }), page);
  draw();
  const toggle = (head) => page.querySelector(`[data-head='${head}']`);
  const doubleClick = (head) => {
    click(toggle(head), { detail: 1 });
    click(toggle(head), { detail: 2 });
    toggle(head).dispatchEvent(new window.MouseEvent("dblclick"));
  };
  click(toggle(2));
  assert.deepEqual(now.heads, [0, 1]);
  doubleClick(1);
  assert.deepEqual([now.heads, now.head], [[1], 1]);
  assert.ok(toggle(1).hasAttribute("data-isolated"));
  doubleClick(1);
  assert.deepEqual(now.heads, [0, 1, 2]);
  doubleClick(0);
  assert.deepEqual(now.heads, [0]);
});

test("hovering a toggle highlights its head", async () => {
  const actions = actionsOf();
  const page = await rendered(headToggles(traits, look, actions));
  page.querySelector("[data-head='1']").dispatchEvent(new window.PointerEvent("pointerenter"));
  page.querySelector(".head-toggles").dispatchEvent(new window.PointerEvent("pointerleave"));
  assert.deepEqual(actions.calls, [
    ["highlightHead", 1],
    ["highlightHead", null],
  ]);
});

test("likely tokens show their probability, with two where a head is ablated", async () => {
  const page = await rendered(
    likelyTokens(
      [
        ["<b>", 0.5],
        [" are", 0.25, 0.125],
      ],
      " are",
    ),
  );
  const [first, second] = page.querySelectorAll(".likely-token");
  assert.equal(textOf(first), "<b> 50.0 %");
  assert.match(textOf(second), /25\.0 → 12\.5 %/);
  assert.deepEqual(
    [...second.querySelectorAll("i")].map((bar) => bar.style.width),
    ["25%", "12.5%"],
  );
  assert.deepEqual(
    [first.hasAttribute("data-chosen"), second.hasAttribute("data-chosen")],
    [false, true],
  );
});

test("the slider chooses a generation step and pins the query that predicted it", async () => {
  const steps = [
    { position: 4, token: " a", top: [[" a", 0.9]] },
    { position: 5, token: " b", top: [[" b", 0.8]] },
  ];
  const info = { ...traits.info, steps, groups: [{ ...group, writes: true }] };
  const actions = actionsOf();
  const page = await rendered(generationSteps({ ...traits, info, step: 1 }, actions));
  assert.equal(textOf(page.querySelector("output")), "2 of 2");
  assert.match(textOf(page), /b 80\.0 %/);
  type(page.querySelector("[type='range']"), "0");
  type(page.querySelector("[type='range']"), "-1");
  assert.deepEqual(actions.calls, [
    ["set", { step: 0, query: [4], key: [] }],
    ["set", { step: -1, query: [], key: [] }],
  ]);
  assert.equal(textOf(await rendered(generationSteps(traits, actions))), "");
});

test("Enter runs the model; not with Shift, and not while an input method composes a word", async () => {
  const actions = actionsOf();
  const page = await rendered(textInput(traits, { text: "a c", pair: null }, actions));
  const area = page.querySelector("textarea");
  assert.equal(area.value, "a c");
  press(area, "Enter", { isComposing: true });
  press(area, "Enter", { shiftKey: true });
  press(area, "b");
  assert.deepEqual(actions.calls, []);
  press(area, "Enter");
  click(page.querySelector("[data-run]"));
  assert.deepEqual(
    actions.calls.map(([name]) => name),
    ["run", "run"],
  );
});

test("typing edits a draft, Escape drops it, and a page without a model has no text input", async () => {
  const actions = actionsOf();
  const page = await rendered(
    textInput({ ...traits, pair: "c" }, { text: null, pair: null }, actions),
  );
  const [text, pair] = page.querySelectorAll("textarea");
  assert.deepEqual([text.value, pair.value], ["a b", "c"]);
  assert.equal(page.querySelector("[data-run]"), null);
  type(pair, "d");
  press(text, "Escape");
  assert.deepEqual(actions.calls, [
    ["edit", { pair: "d" }],
    ["edit", { text: null }],
  ]);
  const info = { ...traits.info, can_run: false };
  assert.equal(textOf(await rendered(textInput({ ...traits, info }, {}, actions))), "");
});

test("an ablated head requests likely tokens without it; the same button again ablates none", async () => {
  const { render } = await import("lit-html");
  const sent = [];
  const requester = {
    cancel: (name) => sent.push(["cancel", name]),
    request: (name, data, handlers) => sent.push([name, data, handlers]),
  };
  const page = await rendered(null);
  const now = { ...traits, info: { ...traits.info, can_ablate: true } };
  const ablation = createAblation(requester, () => render(ablation(now), page));
  render(ablation(now), page);
  const status = () => textOf(page.querySelector("[role='status']"));
  click(page.querySelector("[data-off='2']"));
  const [name, data, { reply, fail }] = sent.at(-1);
  assert.deepEqual([name, data.head, data.mode, data.layer], ["ablate", 2, "zero", 1]);
  assert.equal(status(), "running …");
  reply({ top: [[" are", 0.5, 0.25]] });
  assert.match(textOf(page), /50\.0 → 25\.0 %/);
  fail({ message: "No kernel answers.", remedy: "Run the cell again." });
  assert.equal(status(), "No kernel answers. Run the cell again.");
  type(page.querySelector("[data-choice='filled with']"), "mean", "change");
  assert.equal(sent.at(-1)[1].mode, "mean");
  const requests = sent.filter(([each]) => each === "ablate").length;
  click(page.querySelector("[data-off='2']"));
  assert.equal(sent.filter(([each]) => each === "ablate").length, requests);
  assert.equal(page.querySelector("[data-off='2']").getAttribute("aria-checked"), "false");
  now.layer = 2;
  render(ablation(now), page);
  assert.equal(page.querySelector(".likely"), null);
});

test("the shell announces to screen readers and puts one view on the stage", () => {
  const el = document.body.appendChild(document.createElement("div"));
  const shell = createShell(el, new AbortController().signal);
  const [first, second] = ["div", "div"].map((name) => document.createElement(name));
  shell.show(first);
  shell.show(second);
  assert.equal(first.isConnected, false);
  assert.equal(shell.stage.firstElementChild, second);
  shell.announce("a to b: 0.5000");
  shell.announce("");
  assert.equal(shell.root.querySelector("[role='status']").textContent, "a to b: 0.5000");
});
