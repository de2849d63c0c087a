import assert from "node:assert/strict";
import { test } from "node:test";
import { memo } from "../src/memo.js";

test("the last result is reused for the same arguments, and for no others", () => {
  let calls = 0;
  const add = memo((a, b = 0) => {
    calls += 1;
    return a + b;
  });
  assert.deepEqual([add(1, 2), add(1, 2), calls], [3, 3, 1]);
  assert.deepEqual([add(1, 3), calls], [4, 2]); // another second argument
  assert.deepEqual([add(2, 3), calls], [5, 3]);
  assert.deepEqual([add(2), calls], [2, 4]); // fewer arguments
  assert.deepEqual([add(1, 2), calls], [3, 5]); // only the last result is kept
});

test("objects are compared by identity", () => {
  let calls = 0;
  const length = memo((list) => (calls += 1) && list.length);
  const list = [1, 2];
  assert.deepEqual([length(list), length(list), length([1, 2]), calls], [2, 2, 2, 2]);
});
