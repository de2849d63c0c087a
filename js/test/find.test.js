import assert from "node:assert/strict";
import { test } from "node:test";
import { matchesOf, nextMatch } from "../src/views/shared/find.js";
import { frameOf } from "./helpers.js";

const frame = frameOf([Array(5).fill(Array(5).fill(0.2))]);
frame.queries.text = frame.keys.text = ["the", "key", "Then", "on", "the"];
const at = (index) => ({ side: "query", index });

test("the same tokens on both sides are found once, other tokens on both", () => {
  assert.deepEqual(matchesOf(frame, "the"), [0, 2, 4].map(at));
  const two = { ...frame, keys: { ...frame.keys, text: ["a", "the", "b", "c", "d"] } };
  assert.deepEqual(matchesOf(two, "the").at(-1), { side: "key", index: 1 });
});

test("Enter goes from match to match and round the end, with Shift the other way", () => {
  let lit = null;
  const seen = [];
  for (let i = 0; i < 4; i++) seen.push((lit = nextMatch(frame, "the", lit, 1)).index);
  assert.deepEqual(seen, [0, 2, 4, 0]);
  assert.equal(nextMatch(frame, "the", at(0), -1).index, 4);
  assert.equal(nextMatch(frame, "the", null, -1).index, 4);
});

test("where nothing matches there is no next match", () => {
  assert.equal(nextMatch(frame, "zebra", null, 1), null);
});
