// The lines below the picture: readout and caption.
import assert from "node:assert/strict";
import { test } from "node:test";
import { click, rendered, textOf } from "./dom.js";
import { frameOf } from "./helpers.js";

const { readout, runFailure, spoken } = await import("../src/controls/readout.js");
const { caption, side, legend } = await import("../src/controls/caption.js");

const reading = {
  queries: ["she"],
  keys: ["Mara"],
  where: "layer 2",
  head: { name: "head 3", colour: "#036095" },
  value: 0.61234,
  exact: true,
  unit: "share",
  notes: ["largest share of this query"],
};
const state = {
  reading: null,
  failure: null,
  still: null,
  working: null,
  notice: null,
  narrow: false,
  legend: null,
};
const ramp = { name: "share", marks: ["0", ".5", "1"], stops: ["#fff", "#888", "#000"] };

async function line(more) {
  const calls = [];
  const note = (name) => () => calls.push(name);
  const actions = {
    cancel: note("cancel"),
    retry: note("retry"),
    toggleScale: note("toggleScale"),
    setBaseline: (on) => calls.push(on),
  };
  const page = await rendered(readout({ ...state, ...more }, actions));
  return { page, calls, text: textOf(page), data: page.firstElementChild.dataset };
}

test("an exact number has four digits and no mark", async () => {
  const { text, data, page } = await line({ reading });
  assert.equal(text, "she → Mara layer 2 head 3 0.6123 largest share of this query");
  assert.deepEqual([data.exact, data.value, data.state], ["1", "0.61234", "reading"]);
  assert.equal(textOf(page.querySelector("[data-number]")), "0.6123");
});

test("a rounded number has two digits and is marked ≈", async () => {
  const { page, data } = await line({ reading: { ...reading, exact: false } });
  assert.equal(textOf(page.querySelector("[data-number]")), "≈ 0.61");
  assert.equal(data.exact, "0");
});

test("more than three tokens are counted, and a narrow line leaves the notes out", async () => {
  const queries = ["a", "b", "c", "d", "e"];
  const { text } = await line({ reading: { ...reading, queries }, narrow: true });
  assert.equal(text, "a + b + c + 2 more → Mara layer 2 head 3 0.6123");
});

test("a reading with a title starts with it", async () => {
  const { text } = await line({ reading: { ...reading, title: "layer 2 · head 3" } });
  assert.match(text, /^layer 2 · head 3 she → Mara 0\.6123/);
});

test("work shows its progress and can be cancelled, where its length is known", async () => {
  const working = { what: "flow", done: 2, total: 8, elapsed: 1000 };
  const { page, text, calls, data } = await line({ reading, working });
  assert.match(text, /flow ?row 2 of 8 · 1\.0 s · about 3 s left cancel/);
  assert.deepEqual([data.state, data.exact], ["working", undefined]);
  click(page.querySelector("[data-cancel]"));
  assert.deepEqual(calls, ["cancel"]);
  const unknown = await line({ working: { what: "running", done: 0, total: 0, elapsed: 200 } });
  assert.equal(unknown.page.querySelector("[data-cancel]"), null);
});

test("an error names itself and its remedy; a cancelled request can go on", async () => {
  const failure = { name: "InputError", message: "layer must be 0 to 5.", remedy: "Choose one." };
  const { text, page, data } = await line({ failure, still: "Still showing layer 1.", reading });
  assert.match(text, /layer must be 0 to 5\. Still showing layer 1\. Choose one\./);
  assert.equal(page.querySelector("[role='alert']").dataset.error, "InputError");
  assert.equal(data.state, "error");
  const cancelled = await line({ failure: { name: "Cancelled", message: "Stopped." } });
  click(cancelled.page.querySelector("[data-retry]"));
  assert.deepEqual(cancelled.calls, ["retry"]);
});

test("an empty line has a hint, or a notice", async () => {
  assert.match((await line({})).text, /Hover a token/);
  assert.equal((await line({ notice: "no token contains “x”" })).text, "no token contains “x”");
});

test("a failed run shows its name, its sentence and a line of code to copy", async () => {
  const page = await rendered(runFailure({ name: "E", message: "m.", remedy: "r.", code: "f()" }));
  assert.equal(textOf(page), "E m. r. f()");
  assert.equal(textOf(page.querySelector("code")), "f()");
});

test("screen readers are told exact readings only", () => {
  assert.equal(spoken(reading), "she to Mara: 0.6123, layer 2, head 3");
  assert.equal(spoken({ ...reading, exact: false }), "");
  assert.equal(spoken(null), "");
});

const description = { caption: ["drawn 3 of 4 lines", "hidden: 1"], mass: { drawn: 0.75, all: 1 } };
const frame = frameOf([[[0.5, 0.5]]]);
const actions = { setBaseline() {}, toggleScale() {} };

test("the caption has its sentences and a bar of the mass that is drawn", async () => {
  const page = await rendered(caption(description, frame, false, actions));
  assert.match(textOf(page), /drawn 3 of 4 lines hidden: 1/);
  const [drawn, rest] = page.querySelectorAll(".mass i");
  assert.deepEqual([drawn.style.width, rest.style.width], ["75.00%", "25.00%"]);
  assert.match(
    textOf(await rendered(caption(description, { ...frame, missing: 2 }, false, actions))),
    /2 weights not a number/,
  );
  assert.equal(textOf(await rendered(caption(null, null, false, actions))), "");
});

test("saturation is a badge, a warning where it is large, and offers the baseline", async () => {
  const set = [];
  const given = { setBaseline: (on) => set.push(on) };
  const low = await rendered(caption(description, { ...frame, saturation: 0.1 }, false, given));
  assert.match(textOf(low), /10 % at the bound/);
  assert.equal(low.querySelector("[data-baseline]"), null);
  const high = await rendered(caption(description, { ...frame, saturation: 0.5 }, false, given));
  click(high.querySelector("[data-baseline]"));
  const divided = { ...frame, saturation: 0.5, divided_by: "uniform causal attention" };
  const page = await rendered(caption(description, divided, false, given));
  assert.match(textOf(page), /divided by uniform causal attention/);
  click(page.querySelector("[data-baseline]"));
  assert.deepEqual(set, [true, false]);
});

test("beside the picture stand the legend, a note and the strongest tokens", async () => {
  const strongest = {
    token: "she",
    verb: "strongest for",
    colour: "#036095",
    exact: false,
    rows: [{ text: "Mara", position: 1, value: 0.6125, share: 1, index: 1 }],
  };
  const given = { ...description, legend: ramp, legendBeside: true, note: "a note", strongest };
  const page = await rendered(side(given, actions));
  assert.match(textOf(page), /share ?0 ?\.5 ?1 a note strongest for she Mara1 0\.61$/);
  const exact = await rendered(
    side({ ...given, strongest: { ...strongest, exact: true } }, actions),
  );
  assert.match(textOf(exact), /0\.61[23]$/);
});

test("a legend whose scale can change is a button", async () => {
  let clicks = 0;
  const page = await rendered(
    legend({ ...ramp, canRoot: true }, { toggleScale: () => (clicks += 1) }),
  );
  click(page.querySelector("button"));
  assert.equal(clicks, 1);
  const fixed = await rendered(legend({ ...ramp, canRoot: false }, actions));
  assert.equal(fixed.querySelector("button"), null);
});
