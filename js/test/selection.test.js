import assert from "node:assert/strict";
import { test } from "node:test";
import { found } from "../src/views/shared/find.js";
import { pressed } from "../src/controls/keys.js";
import { focusOf, moved, pinned, rowsOf } from "../src/views/shared/selection.js";
import { isolated, toggled } from "../src/controls/head-toggles.js";
import { frameKey, requestOf } from "../src/wire/spec.js";
import { rules } from "./helpers.js";

// Tokens 1 and 2 are one word, and token 0 is hidden.
const words = { text: ["keys", "are"], special: [0, 0], positions: [[1, 2], [3]], segment: [0, 0] };
const plain = {
  text: ["a", "b", "c", "d"],
  special: [0, 0, 0, 0],
  positions: [[0], [1], [2], [3]],
  segment: [0, 0, 0, 0],
};
const none = { query: [], key: [] };
/** Another value of each field of a Spec than `traits` has. */
const OTHER = {
  capture_id: 7,
  attention: "cross",
  layer: 4,
  head: 5,
  residual: 0.3,
  reduce: "max",
  normalise: true,
  baseline: true,
  hide_special: true,
  words: true,
  segments: "A-B",
  hide_sinks: true,
};

test("pins are token positions, whatever rows are displayed", () => {
  assert.deepEqual(rowsOf(words, [2]), [0]);
  assert.deepEqual(rowsOf(words, [0]), []);
  assert.deepEqual(pinned({ side: "query", index: 0 }, false, words, plain, none), {
    query: [1, 2],
    key: [],
  });
});

test("a click pins one token alone, a click on it releases it", () => {
  const first = pinned({ side: "key", index: 2 }, false, plain, plain, { query: [1], key: [] });
  assert.deepEqual(first, { query: [], key: [2] });
  assert.deepEqual(pinned({ side: "key", index: 2 }, false, plain, plain, first), none);
});

test("with shift or control several are pinned, and one is taken away again", () => {
  const two = pinned({ side: "query", index: 0 }, true, plain, plain, { query: [2], key: [] });
  assert.deepEqual(two, { query: [0, 2], key: [] });
  assert.deepEqual(pinned({ side: "query", index: 2 }, true, plain, plain, two), {
    query: [0],
    key: [],
  });
});

test("a cell pins its query and its key", () => {
  const pair = pinned({ query: 1, key: 3 }, false, plain, plain, none);
  assert.deepEqual(pair, { query: [1], key: [3] });
  assert.deepEqual(pinned({ query: 1, key: 3 }, false, plain, plain, pair), none);
});

test("hover wins over pins; pins of both sides are a pair", () => {
  const pins = { query: [1], key: [3] };
  assert.deepEqual(focusOf(plain, plain, pins, { side: "key", index: 0 }).rows, [0]);
  assert.deepEqual(focusOf(plain, plain, pins, null).pair, { query: 1, key: 3 });
  assert.deepEqual(focusOf(plain, plain, { query: [0, 2], key: [] }, null).rows, [0, 2]);
  assert.equal(focusOf(plain, plain, none, null), null);
});

test("arrows move the pin by one row and stop at the ends", () => {
  assert.deepEqual(moved("query", 1, plain, [1]), [2]);
  assert.deepEqual(moved("query", 1, plain, []), [0]);
  assert.deepEqual(moved("query", -1, plain, [0]), [0]);
  assert.deepEqual(moved("query", 1, words, [1, 2]), [3]);
});

const traits = {
  ...none,
  view: "head",
  method: "raw",
  layer: 1,
  head: 0,
  heads: [0, 1, 2],
  attention: "self",
  info: { rules, groups: [{ name: "self", layers: 3, heads: 3 }] },
};
const frame = { queries: plain, keys: plain };

test("keys: arrows move, shift changes layer and head, Escape releases, others are not ours", () => {
  const press = (key, shiftKey, more = {}) =>
    pressed({ key, shiftKey }, { ...traits, ...more }, frame);
  assert.deepEqual(press("ArrowDown", false, { query: [1] }), { query: [2], key: [] });
  assert.deepEqual(press("ArrowRight", false, { query: [1] }), { query: [], key: [1] });
  assert.deepEqual(press("ArrowRight", false, { view: "matrix", key: [1] }), { key: [2] });
  assert.deepEqual(press("ArrowDown", true), { layer: 2 });
  assert.deepEqual(press("ArrowDown", true, { layer: 2 }), {});
  assert.deepEqual(press("ArrowRight", true, { view: "matrix", head: 2 }), { head: 0 });
  assert.deepEqual(press("ArrowRight", true, { heads: [1] }), { heads: [2], head: 2 });
  assert.deepEqual(press("ArrowRight", false, { view: "model", head: 1 }), { head: 2 });
  assert.deepEqual(press("ArrowUp", false, { view: "model" }), { layer: 0 });
  assert.deepEqual(press("Escape", false, { query: [1] }), none);
  assert.equal(press("Escape", false), null);
  assert.equal(press("d", false), null);
});

test("squares: the last head cannot be switched off; isolating twice brings all back", () => {
  assert.deepEqual(toggled([0, 2], 1), [0, 1, 2]);
  assert.deepEqual(toggled([0, 2], 2), [0]);
  assert.deepEqual(toggled([0], 0), [0]);
  assert.deepEqual(isolated([0, 1, 2], 1, 3), [1]);
  assert.deepEqual(isolated([1], 1, 3), [0, 1, 2]);
});

test("find ignores case and finds nothing for nothing", () => {
  assert.deepEqual([...found({ ...plain, text: ["Keys", "monkey", "a", ""] }, "KEY")], [0, 1]);
  assert.equal(found(plain, " ").size, 0);
});

test("requests for equal frames are equal, by the rules of the kernel", () => {
  const info = { rules, groups: [] };
  const all = { ...traits, capture_id: 1, attention: "self", view: "head", method: "raw", info };
  const key = (/** @type {any} */ changed) => frameKey(requestOf({ ...all, ...changed }));
  for (const view of Object.keys(rules.views)) {
    for (const method of Object.keys(rules.methods)) {
      const depends = rules.depends_on[view][method];
      const before = key({ view, method });
      for (const [name, value] of Object.entries(OTHER)) {
        const isOther = key({ view, method, [name]: value }) !== before;
        assert.equal(isOther, depends.includes(name), `${view} ${method} ${name}`);
      }
    }
  }
  assert.notEqual(key({ baseline: true }), key({}));
  assert.notEqual(key({ normalise: true }), key({}));
  assert.equal(key({ residual: 0.2 }), key({}));
});

test("only the neuron view's request names a query", () => {
  const info = { rules, groups: [] };
  const all = { ...traits, method: "raw", info, query: [3] };
  assert.equal(requestOf({ ...all, view: "neuron" }).query, 3);
  assert.equal("query" in requestOf({ ...all, view: "matrix" }), false);
  assert.equal("query" in requestOf({ ...all, view: "neuron", query: [] }), false);
});

test("left and right move a pin from one side to the other and back", () => {
  const press = (key, more) => pressed({ key, shiftKey: false }, { ...traits, ...more }, frame);
  assert.deepEqual(press("ArrowRight", { query: [1] }), { query: [], key: [1] });
  assert.deepEqual(press("ArrowLeft", { key: [1] }), { key: [], query: [1] });
  assert.deepEqual(press("ArrowLeft", { query: [1] }), {});
  assert.deepEqual(press("ArrowRight", { key: [1] }), {});
  assert.deepEqual(press("ArrowDown", { key: [1] }), { query: [], key: [2] });
});

test("a target that a smaller frame lacks is none", async () => {
  const { targetIn } = await import("../src/views/shared/pointer.js");
  const small = { queries: { text: ["a", "b"] }, keys: { text: ["a", "b", "c"] } };
  assert.equal(targetIn({ side: "query", index: 2 }, small), null);
  assert.deepEqual(targetIn({ side: "key", index: 2 }, small), { side: "key", index: 2 });
  assert.equal(targetIn({ query: 0, key: 3 }, small), null);
  assert.deepEqual(targetIn({ layer: 9, head: 1 }, small), { layer: 9, head: 1 });
  assert.equal(targetIn(null, small), null);
});
