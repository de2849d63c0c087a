import assert from "node:assert/strict";
import { test } from "node:test";
import { corner, detailHit, modelLayout, thumbAt } from "../src/views/model/layout.js";
import { atlas, strongestOfTile, tilesOf } from "../src/views/model/thumbs.js";
import { colourOf, legendOfScores, ordersOf, scoresOf } from "../src/views/shared/metric.js";
import { scaleTable } from "../src/paint/palettes.js";

// Two layers, three heads; layer 1 has no head 2. Each tile is 2 × 3 with one strong cell.
const places = [
  [0, 0],
  [0, 1],
  [0, 2],
  [1, 0],
  [1, 1],
];
const data = new Float32Array(5 * 6);
for (let tile = 0; tile < 5; tile++) data[tile * 6 + tile] = 0.5 + tile / 10;
const plain = (name, shape, values) => ({ name, shape, data: values, table: null, scale: 1 });
const axis = (n, special) => ({
  text: Array.from({ length: n }, (_, i) => `t${i}`),
  special: Array.from({ length: n }, (_, i) => Number(special.includes(i))),
  positions: Array.from({ length: n }, (_, i) => [i]),
});
const frame = {
  tiles: places.map(([layer, head]) => ({ layer, head, saturation: null, exact: 1 })),
  pool: [1, 1],
  queries: axis(2, []),
  keys: axis(3, [0]),
  arrays: {
    tiles: plain("tiles", [5, 2, 3], data),
  },
};

const metric = {
  name: "previous_token",
  unit: "share",
  attention: "self",
  values: [
    [1, 5, 2],
    [null, 9, null],
  ],
};
const scores = scoresOf(metric, "self", false);

test("tiles are found by layer and head; one that is missing is missing", () => {
  const { layers, heads, at, sequence } = tilesOf(frame, null);
  assert.deepEqual(sequence, []);
  assert.deepEqual(layers, [0, 1]);
  assert.deepEqual(heads, [0, 1, 2]);
  assert.equal(at(1, 0), 3);
  assert.equal(at(1, 2), -1);
});

test("sorting puts the layer and head with the largest metric first, and keeps their numbers", () => {
  const { layers, heads, at } = tilesOf(frame, scores);
  assert.deepEqual(layers, [1, 0]);
  assert.deepEqual(heads, [1, 2, 0]);
  assert.equal(at(0, 2), 2);
});

test("the heads with the largest numbers stand one after another; one without a number is last", () => {
  const order = (top) => tilesOf(frame, scores, top).sequence.map((i) => places[i]);
  assert.deepEqual(order(2), [
    [1, 1],
    [0, 1],
  ]);
  assert.deepEqual(order(5).at(-1), [1, 0]);
});

test("a thumbnail out of the grid is hit where it stands, and there is none after the last", () => {
  const layout = modelLayout(860, 6, 12, 15, 15, 50, 0, 12);
  assert.equal(layout.rows, Math.ceil(12 / layout.columns));
  const last = [layout.rows - 1, 11 % layout.columns];
  const [x, y] = corner(layout, ...last);
  assert.deepEqual(thumbAt(layout, x + 3, y + 3), { row: last[0], column: last[1] });
  const [beyond, below] = corner(layout, layout.rows - 1, 12 % layout.columns);
  if (12 % layout.columns) assert.equal(thumbAt(layout, beyond + 3, below + 3), null);
  assert.equal(layout.detail.x + layout.detail.width <= 860, true);
});

test("a metric belongs to the attention it was measured on, and to heads that are kept apart", () => {
  assert.equal(scoresOf(metric, "cross", false), null);
  assert.equal(scoresOf(metric, "self", true), null);
  assert.equal(scoresOf({}, "self", false), null);
  assert.equal(scores.name, "previous token");
  assert.equal(scores.of(1, 1), 9);
  assert.ok(Number.isNaN(scores.of(1, 2)));
});

test("colours of a metric run from 0 to its largest, and to both sides where it goes below 0", () => {
  const { css } = scaleTable("sequential", false);
  assert.equal(colourOf(scores, 0, false).fill, css[0]);
  assert.equal(colourOf(scores, 9, false).fill, css[255]);
  const both = scoresOf({ ...metric, values: [[-2, 4]] }, "self", false);
  const diverging = scaleTable("diverging", false).css;
  assert.equal(colourOf(both, 4, false).fill, diverging[255]);
  assert.equal(colourOf(both, 0, false).fill, diverging[128]);
  assert.deepEqual(legendOfScores(both, false).marks, ["-4", "0", "4"]);
});

test("orders are the grid, the grid sorted, the top ones, and all where that is not too many", () => {
  const texts = (count) => ordersOf("m", count).map(({ text }) => text);
  assert.deepEqual(texts(6), ["by number", "rows and columns by m", "all by m"]);
  assert.deepEqual(texts(1024).slice(2), ["top 12 by m", "top 48 by m"]);
});

test("each pixel of the atlas is its own tile's cell", () => {
  const { data: out, rows, columns } = atlas(frame.arrays.tiles, 1, false, false, null);
  assert.deepEqual([rows, columns, out.length], [2, 3, 30]);
  const { pixels } = scaleTable("sequential", false);
  for (let i = 0; i < 30; i++)
    assert.equal(out[i], pixels[Math.round(data[i] * 255)], `pixel ${i}`);
});

test("the strongest cell of a tile leaves special tokens apart", () => {
  const best = strongestOfTile(frame, 4);
  assert.deepEqual([best.query, best.key], [1, 1]);
  const apart = strongestOfTile(frame, 0); // its strong cell is at the special key
  assert.notEqual(apart.key, 0);
});

test("the middle of each thumbnail hits it, the gaps hit nothing", () => {
  for (const [width, lanes] of [
    [860, 12],
    [1200, 32],
    [480, 12],
  ]) {
    const layout = modelLayout(width, 6, lanes, 15, 15, 50);
    for (let row = 0; row < 6; row++) {
      for (let column = 0; column < lanes; column++) {
        const [x, y] = corner(layout, row, column);
        assert.deepEqual(thumbAt(layout, x + layout.thumb / 2, y + layout.thumbHeight / 2), {
          row,
          column,
        });
      }
    }
    assert.ok(layout.width <= width, `${layout.width} of ${width}`);
  }
  const layout = modelLayout(860, 6, 12, 15, 15, 50);
  assert.equal(thumbAt(layout, corner(layout, 0, 1)[0] - 2.5, 40), null);
});

test("joint methods have one map per layer, in rows that wrap", () => {
  const layout = modelLayout(860, 6, 0, 15, 15, 50);
  assert.equal(layout.joint, true);
  assert.equal(layout.columns * layout.rows >= 6, true);
  const many = modelLayout(480, 30, 0, 15, 15, 50);
  assert.ok(many.rows > 1);
  const last = corner(many, many.rows - 1, 29 % many.columns);
  assert.ok(thumbAt(many, last[0] + 5, last[1] + 5));
});

test("one head is a grid of one column, not a joint map", () => {
  assert.equal(modelLayout(860, 6, 1, 15, 15, 50).joint, false);
});

test("the detail stands beside the chosen layer and stays on the canvas", () => {
  for (const chosen of [0, 14, 29]) {
    const { detail, height, thumbHeight, gap } = modelLayout(860, 30, 9, 13, 13, 50, chosen);
    const middle = 20 + (chosen + 0.5) * (thumbHeight + gap);
    assert.ok(detail.y >= 20 && detail.y + detail.height <= height, `${chosen}`);
    assert.ok(detail.y <= middle && detail.y + detail.height >= middle, `${chosen}`);
  }
});

test("the detail tells query from key, and as a heat map names a pair", () => {
  const { detail } = modelLayout(860, 6, 12, 15, 15, 50);
  assert.deepEqual(detailHit(detail, detail.xQuery - 5, detail.y + 4.5 * detail.row, 15, 15), {
    side: "query",
    index: 4,
  });
  assert.deepEqual(detailHit(detail, detail.xKey + 5, detail.y + 4.5 * detail.row, 15, 15), {
    side: "key",
    index: 4,
  });
  const long = modelLayout(860, 6, 12, 300, 300, 50).detail;
  assert.equal(long.row, 0);
  const side = Math.min(long.width, long.height);
  assert.deepEqual(detailHit(long, long.x + side * 0.25, long.y + side * 0.75, 300, 300), {
    query: 225,
    key: 75,
  });
});

test("a metric whose largest number is below 0 still has 0 in the middle of its colours", () => {
  const scores = scoresOf({ ...metric, values: [[-4, 2]] }, "self", false);
  const diverging = scaleTable("diverging", false).css;
  assert.equal(colourOf(scores, -4, false).fill, diverging[0]);
  assert.equal(colourOf(scores, 0, false).fill, diverging[128]);
  assert.equal(colourOf(scores, 2, false).fill, diverging[191]);
  assert.deepEqual(legendOfScores(scores, false).marks, ["-4", "0", "4"]);
});
