import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeArray, decodeFrame, sqrtTable, valueAt } from "../src/wire/decode.js";
import { close, dataView, frame, row, stored } from "./helpers.js";

test("a byte is the square of its share of 255, times the scale", () => {
  const table = sqrtTable(2);
  assert.equal(table[0], 0);
  assert.equal(table[255], 2);
  assert.ok(close(table[51], 2 * 0.04));
});

test("every weight of a stored frame comes back where it was, to half a step", () => {
  const { values } = stored("head");
  const { arrays } = frame("head");
  assert.deepEqual(arrays.weights.shape, [3, 4, 5]);
  values.forEach((lane, l) =>
    lane.forEach((keys, q) =>
      keys.forEach((value, k) => {
        const got = valueAt(arrays.weights, (l * 4 + q) * 5 + k);
        assert.ok(
          Math.abs(Math.sqrt(got) - Math.sqrt(value)) <= 0.5 / 255 + 1e-7,
          `${l} ${q} ${k}`,
        );
      }),
    ),
  );
});

test("floats at an odd offset are read right", () => {
  const bytes = Buffer.from(Float32Array.from([1.5, -2, 3]).buffer);
  const entry = { name: "x", dtype: "float32", shape: [3], encoding: "plain" };
  for (const offset of [0, 1, 2, 3, 4]) {
    assert.deepEqual([...decodeArray(entry, dataView(bytes, offset)).data], [1.5, -2, 3]);
  }
});

test("a buffer of the wrong length is refused", () => {
  const entry = { name: "x", dtype: "uint16", shape: [2], encoding: "plain" };
  assert.throws(() => decodeArray(entry, new Uint8Array(3)), /x must hold 4 bytes, got 3/);
});

test("an unknown dtype is refused, and so is a missing buffer", () => {
  assert.throws(
    () => decodeArray({ name: "x", dtype: "float64", shape: [1] }, new Uint8Array(8)),
    /float64/,
  );
  assert.throws(() => decodeFrame({ arrays: [{}] }, []), /one buffer each, got 1 and 0/);
});

test("rows carry the exact numbers, lane after lane", () => {
  for (const [name, side, index, n] of [
    ["row", "query", 2, 5],
    ["column", "key", 4, 4],
  ]) {
    const got = row(name);
    assert.equal(got.side, side);
    assert.equal(got.index, index);
    assert.equal(got.n, n);
    assert.deepEqual([...got.values], stored(name).values.flat().map(Math.fround));
  }
});

test("token text stays text", () => {
  assert.equal(frame("head").keys.text[4], "<b>da</b>");
});
