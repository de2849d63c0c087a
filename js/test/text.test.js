import assert from "node:assert/strict";
import { test } from "node:test";
import { piecesOf, tokensOf } from "../src/pieces.js";
import { describeText, shades, textFocus } from "../src/views/text-words.js";
import { patchAt } from "../src/views/patches.js";
import { close, frameOf, look } from "./helpers.js";

test("pieces join to the source as it was written, with each token where it stands", () => {
  const source = ["I 👩‍🚀 flew.", "Really?"];
  const spans = [null, [0, 0, 1], [0, 2, 5], [0, 6, 10], [1, 0, 6]];
  const pieces = piecesOf({ source, spans, keys: { text: ["[CLS]", "i", "x", "flew", "really"] } });
  assert.equal(pieces.map(({ text }) => text).join(""), "I 👩‍🚀 flew.\n\nReally?");
  assert.deepEqual(
    pieces.filter(({ row }) => row !== null).map(({ text, row }) => [text, row]),
    [
      ["I", 1],
      ["👩‍🚀", 2],
      ["flew", 3],
      ["Really", 4],
    ],
  );
});

test("without spans the tokens stand with spaces between them", () => {
  assert.equal(
    tokensOf(["a", "b"])
      .map(({ text }) => text)
      .join(""),
    "a b",
  );
  assert.deepEqual(piecesOf({ source: [], spans: [], keys: { text: ["a"] } }), [{ text: "a", row: 0 }]);
});

const weights = [
  [
    [0.5, 0.4, 0.1],
    [0.2, 0.2, 0.6],
  ],
  [
    [0.1, 0.2, 0.7],
    [0.4, 0.5, 0.1],
  ],
];
const scene = (more = {}) => ({
  frame: frameOf(weights, { special: [0] }),
  look,
  width: 860,
  hover: null,
  exact: () => null,
  traits: { method: "raw", heads: [0, 1], query: [], key: [], hide_special: false, ...more },
});

test("shades are the mean of the heads that are on", () => {
  const s = scene({ query: [1] });
  const shade = shades(s, textFocus(s));
  assert.ok(close(shade.value(2), 0.35));
  const one = scene({ query: [1], heads: [1] });
  assert.ok(close(shades(one, textFocus(one)).value(2), 0.1));
});

test("a pinned key is shaded by what it gives, queries and keys not swapped", () => {
  const s = scene({ key: [2] });
  const shade = shades(s, textFocus(s));
  assert.equal(shade.n, 2);
  assert.ok(close(shade.value(0), 0.4));
  assert.equal(describeText(s, textFocus(s), shade, "red").strongest.verb, "gives most to");
});

test("special tokens do not set the scale, and what they take is said", () => {
  const s = scene({ query: [0] });
  const shade = shades(s, textFocus(s));
  assert.ok(close(shade.largest, 0.4));
  const { caption, mass } = describeText(s, textFocus(s), shade, "red");
  assert.match(caption[0], /^special tokens apart: 30\.0 % of this query’s attention is not shown$/);
  assert.ok(close(mass.drawn, 0.7));
});

test("a pin stays while another token is read", () => {
  const s = { ...scene({ query: [1] }), hover: { side: "query", index: 2 } };
  assert.deepEqual(textFocus(s), { side: "query", rows: [1], pinned: true, read: 2 });
});

test("patches are hit in raster order, after what is special", () => {
  assert.equal(patchAt([2, 3], 1, 300, 200, 250, 150), 6);
  assert.equal(patchAt([2, 3], 1, 300, 200, 10, 10), 1);
  assert.equal(patchAt([2, 3], 0, 300, 200, 301, 10), null);
});
