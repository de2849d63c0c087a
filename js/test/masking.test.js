import assert from "node:assert/strict";
import { test } from "node:test";
import { maskOf, poolOf } from "../src/views/shared/masking.js";

const axis = (positions) => ({ positions });
const plain = axis([[0], [1], [2], [3]]);

test("a causal model sees itself and what is before, nothing ahead", () => {
  const ahead = maskOf({ causal: true, queries: plain, keys: plain });
  for (let q = 0; q < 4; q++)
    for (let k = 0; k < 4; k++) assert.equal(ahead(q, k), k > q, `${q} ${k}`);
  assert.equal(maskOf({ causal: false, queries: plain, keys: plain }), null);
});

test("a word of several tokens sees up to its last one", () => {
  const words = axis([[0], [1, 2], [3]]);
  const ahead = maskOf({ causal: true, queries: words, keys: plain });
  assert.equal(ahead(1, 2), false);
  assert.equal(ahead(1, 3), true);
});

test("a pooled cell is empty only where all of it lies ahead", () => {
  const ahead = maskOf({ causal: true, queries: plain, keys: plain, pool: 2 });
  assert.deepEqual(
    [ahead(0, 0), ahead(0, 1), ahead(1, 0), ahead(1, 1)],
    [false, true, false, false],
  );
  assert.deepEqual(poolOf({ pool: [2, 3] }), [2, 3]);
  assert.deepEqual(poolOf({}), [1, 1]);
});
