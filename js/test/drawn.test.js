// What a host kept of the picture.
import assert from "node:assert/strict";
import { test } from "node:test";
import { keptFrame } from "../src/wire/drawn.js";

const by = (version) =>
  `saved by attn-widget ${version}, which this page cannot draw; run the cell`;

const rules = { depends_on: { head: { raw: ["view", "method", "layer", "capture_id"] } } };
const traits = /** @type {any} */ ({ capture_id: 4, info: { rules }, layer: 2 });
const header = {
  view: "head",
  capture_id: 4,
  spec: { view: "head", method: "raw", layer: 1, capture_id: 4, head: 7 },
  arrays: [{ name: "weights", dtype: "uint8", shape: [2, 2], encoding: "plain" }],
};
const buffers = [new DataView(new Uint8Array([1, 2, 3, 4]).buffer)];
const kept = { format: 1, version: "0.1", header, query: null, buffers };

test("a kept frame is known by what it depends on, not by what the traits are now", () => {
  const found = /** @type {any} */ (keptFrame(kept, traits));
  assert.deepEqual(found.spec, { view: "head", method: "raw", layer: 1, capture_id: 4 });
  assert.deepEqual([...found.frame.arrays.weights.data], [1, 2, 3, 4]);
  const ofQuery = /** @type {any} */ (keptFrame({ ...kept, query: 3 }, traits));
  assert.equal(ofQuery.spec.query, 3);
});

test("nothing kept, or of another capture, is nothing", () => {
  for (const none of [undefined, null, {}]) assert.equal(keptFrame(none, traits), null);
  assert.equal(keptFrame(kept, { ...traits, capture_id: 5 }), null);
});

test("what another version kept, or what is torn, is named by its version", () => {
  assert.deepEqual(keptFrame({ ...kept, format: 2, version: "9.0" }, traits), { why: by("9.0") });
  const torn = [
    { ...kept, buffers: [] },
    { ...kept, header: null },
    { ...kept, header: { ...header, view: "constructor" } },
    { ...kept, buffers: [new DataView(new ArrayBuffer(3))] },
    { ...kept, header: { ...header, spec: { method: "toString" } } },
  ];
  for (const one of torn) assert.deepEqual(keptFrame(one, traits), { why: by("0.1") });
});

test("a frame that did not fit says so", () => {
  const none = { format: kept.format, version: kept.version, query: null };
  const why = "this text is too long for a saved picture; run the cell";
  assert.deepEqual(keptFrame(none, traits), { why });
});

test("a page written as JSON holds bytes as base64, and one axis where both are one text", () => {
  const queries = { text: ["a", "b"], positions: [[0], [1]] };
  const written = JSON.parse(
    JSON.stringify({ ...kept, header: { ...header, queries }, buffers: ["AQIDBA=="] }),
  );
  const { frame } = /** @type {any} */ (keptFrame(written, traits));
  assert.deepEqual([...frame.arrays.weights.data], [1, 2, 3, 4]);
  assert.deepEqual(frame.keys, queries);
  const cross = { ...header, queries, keys: { text: ["c"], positions: [[0]] } };
  const other = /** @type {any} */ (keptFrame({ ...kept, header: cross }, traits));
  assert.deepEqual(other.frame.keys.text, ["c"]);
});
