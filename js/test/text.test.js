import assert from "node:assert/strict";
import { test } from "node:test";
import { textSpans, tokenSpans } from "../src/views/shared/text-spans.js";
import { describeText, shades, textFocus } from "../src/views/text/words.js";
import { patchArea, soundArea } from "../src/views/text/layout.js";
import { close, frameOf, look } from "./helpers.js";

test("pieces join to the source as it was written, with each token where it stands", () => {
  const source = ["I 👩‍🚀 flew.", "Really?"];
  const spans = [null, [0, 0, 1], [0, 2, 5], [0, 6, 10], [1, 0, 6]];
  const pieces = textSpans({
    source,
    spans,
    keys: { text: ["[CLS]", "i", "x", "flew", "really"] },
  });
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
    tokenSpans(["a", "b"])
      .map(({ text }) => text)
      .join(""),
    "a b",
  );
  assert.deepEqual(textSpans({ source: [], spans: [], keys: { text: ["a"] } }), [
    { text: "a", row: 0 },
  ]);
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
  assert.match(caption[0], /^special tokens not shaded: 30\.0 % of this query’s attention$/);
  assert.ok(close(mass.drawn, 0.7));
});

test("a pin stays while another token is read", () => {
  const s = { ...scene({ query: [1] }), hover: { side: "query", index: 2 } };
  assert.deepEqual(textFocus(s), { side: "query", rows: [1], pinned: true, read: 2 });
});

test("a point of a picture is its patch, and a patch lies where its point is", () => {
  const area = patchArea([2, 3], 300, 200, 860);
  assert.deepEqual([area.width, area.height], [420, 280]);
  for (let i = 0; i < area.count; i++) {
    const [x, y, w, h] = area.box(i);
    assert.equal(area.at(x + w / 2, y + h / 2), i);
  }
  assert.equal(area.at(421, 10), null);
  assert.equal(area.at(10, 281), null);
  assert.deepEqual([area.box(3)[0], area.box(3)[1]], [0, 140]); // row by row
  assert.equal(patchArea([2, 3], 300, 200, 300).width, 300);
});

test("a sound stands in lines of round seconds, each frame at its time", () => {
  const area = soundArea(1500, 0.02, 860); // 30 seconds
  const [x, y] = area.box(250 + 25);
  assert.equal(area.count, 1500);
  assert.ok(area.width <= 860);
  const second = area.ticks.find(({ text }) => text === "5");
  assert.equal(second.x, 0); // five seconds to a line
  assert.ok(second.y > y && second.y < y + 60);
  for (const i of [0, 249, 250, 1499]) {
    const [left, top, w, h] = area.box(i);
    assert.equal(area.at(left + w / 2, top + h / 2), i);
  }
  assert.equal(area.at(x, y + 50), null); // between two lines
  assert.equal(soundArea(10, 0.02, 860).at(500, 5), null); // beyond the end
});

test("a tick stands at its own second, and ticks are not crowded", () => {
  for (const room of [480, 860, 1200]) {
    const { ticks, box } = soundArea(300, 0.02, room);
    assert.equal(ticks[0].text, "0 s");
    for (const { text, x, y } of ticks.slice(1)) {
      const [left, top, w, h] = box(Math.round(Number(text) / 0.02));
      assert.ok(Math.abs(left - x) <= 1 && top + h === y && w >= 2, text);
    }
    const sameLine = ticks.filter(({ y }) => y === ticks[0].y).map(({ x }) => x);
    for (let i = 1; i < sameLine.length; i++) assert.ok(sameLine[i] - sameLine[i - 1] >= 44);
  }
});

test("what is not a number sets no scale and is not listed", () => {
  const frame = frameOf([
    [
      [0.5, NaN, 0.25],
      [0.2, 0.2, 0.6],
    ],
  ]);
  const s = { ...scene({ query: [0], heads: [0] }), frame };
  const shade = shades(s, textFocus(s));
  assert.equal(shade.largest, 0.5);
  assert.ok(Number.isNaN(shade.at(1)));
  const { strongest } = describeText(s, textFocus(s), shade, "red");
  assert.deepEqual(
    strongest.rows.map(({ index }) => index),
    [0, 2],
  );
});
