import assert from "node:assert/strict";
import { test } from "node:test";
import { fixed, percent, rounded, tokenText } from "../src/format.js";
import { hiddenWords } from "../src/views/shared/hidden.js";
import { describeHead, focusValues } from "../src/views/head/words.js";
import { edgesOfRow, edgesOf } from "../src/views/shared/edges.js";
import { frame, frameOf, look, row, stored } from "./helpers.js";

const scene = (it, exact = () => null) => ({
  frame: it,
  look,
  width: 860,
  traits: { method: "raw", threshold: 0.02, heads: [0, 1, 2], hide_special: false, find: "" },
  exact,
});

function describe(it, focus, lanes, exact) {
  const s = scene(it, exact);
  const values = focus && focusValues(s, focus, lanes);
  const lines = focus
    ? edgesOfRow(it, lanes, 0.02, focus.side, focus.rows[0], s.exact(focus.side, focus.rows[0]))
    : edgesOf(it, lanes, 0.02);
  const rows = { query: [0, 4], key: [0, 5] };
  const layout = { scrolls: false, wide: true };
  return describeHead(s, {
    focus,
    values,
    lanes,
    lines,
    joint: false,
    rows,
    dropped: 0,
    layout,
    colour: (l) => `c${l}`,
  });
}

test("a hovered query reads its largest share away from special tokens, with its head", () => {
  const { values } = stored("row");
  const focus = { side: "query", rows: [2], pinned: false, pair: null };
  const { said } = describe(frame("head"), focus, [0, 1, 2], () => row("row"));
  const best = Math.max(...values.flatMap((lane) => lane.slice(1)));
  const lane = values.findIndex((keys) => keys.slice(1).includes(best));
  const key = values[lane].indexOf(best);
  assert.equal(said.reading.value, Math.fround(best));
  assert.equal(said.reading.exact, true);
  assert.equal(said.reading.head.name, `head ${lane}`);
  assert.equal(said.reading.head.colour, `c${lane}`);
  assert.deepEqual(said.reading.queries, ["keys"]);
  assert.deepEqual(said.reading.keys, [frame("head").keys.text[key]]);
});

test("before the exact row has come the reading says that it is rounded", () => {
  const focus = { side: "query", rows: [2], pinned: false, pair: null };
  const { said } = describe(frame("head"), focus, [0, 1, 2]);
  assert.equal(said.reading.exact, false);
  assert.deepEqual(said.reading.needs, [{ side: "query", index: 2 }]);
});

test("what is left out is counted and weighed", () => {
  const it = frameOf([
    [
      [0.9, 0.09, 0.01],
      [0.5, 0.5, 0],
    ],
  ]);
  const { said } = describe(it, null, [0]);
  assert.equal(
    said.caption[0],
    "4 of 6 lines drawn · left out: lines below 0.02, 0.5 % of the attention",
  );
  assert.ok(Math.abs(said.mass.drawn - 0.995) < 1e-6);
});

test("the attention that went to hidden tokens is said apart from what the threshold left out", () => {
  const it = frameOf([[[0.5, 0.1]]]);
  it.arrays.row_sum.data = Float32Array.from([1]);
  it.arrays.hidden_mass = { data: Float32Array.from([0.4]), shape: [1, 1], table: null };
  const s = scene(it);
  it.keys.hidden = ["special tokens", "sentence B"];
  const given = {
    focus: null,
    values: null,
    lanes: [0],
    joint: false,
    dropped: 0,
    colour: () => "",
  };
  const { said } = describeHead(s, {
    ...given,
    lines: edgesOf(it, [0], 0.02),
    rows: { query: [0, 1], key: [0, 2] },
    layout: { scrolls: false, wide: true },
  });
  assert.deepEqual(said.caption, [
    "all 2 lines drawn",
    "hidden: special tokens, sentence B, 40.0 % of the attention",
  ]);
});

test("a sink that was asked for and is not there is said", () => {
  const it = frameOf([[[0.5, 0.5]]]);
  assert.deepEqual(hiddenWords(it, true, 0), [
    "no attention sink: no key receives over 30 % of the attention",
  ]);
  it.keys.hidden = ["sink The (0)"];
  assert.deepEqual(hiddenWords(it, true, 0.5), ["hidden: sink The (0), 50.0 % of the attention"]);
  assert.deepEqual(hiddenWords(frameOf([[[1]]]), false, 0), []);
});

test("several pinned tokens are summed", () => {
  const it = frameOf([
    [
      [0.6, 0.4],
      [0.1, 0.9],
    ],
  ]);
  const values = focusValues(
    scene(it),
    { side: "query", rows: [0, 1], pinned: true, pair: null },
    [0],
  );
  assert.ok(Math.abs(values.at(0, 1) - 1.3) < 1e-6);
  assert.ok(Math.abs(values.sum - 2) < 1e-6);
});

test("numbers use a true minus, two digits while rounded, and never an invented number", () => {
  assert.equal(fixed(-1.5, 2), "−1.50");
  assert.equal(fixed(-0.00001, 4), "0.0000");
  assert.equal(fixed(NaN, 4), "not a number");
  assert.equal(rounded(0.8156), "≈ 0.82");
  assert.equal(percent(0.0523), "5.2 %");
});

test("tokens that would be invisible are shown", () => {
  assert.equal(tokenText("\n"), "⏎");
  assert.equal(tokenText("  "), "␣␣");
  assert.equal(tokenText("\u200b"), "∅");
  assert.equal(tokenText("\u202eabc"), "abc");
  assert.equal(tokenText("👩‍👩‍👧"), "👩‍👩‍👧");
});
