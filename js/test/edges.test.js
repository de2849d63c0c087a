import assert from "node:assert/strict";
import { test } from "node:test";
import drawing from "../../attn_widget/pictures/drawing.json" with { type: "json" };
import { edgesOf, edgesOfRow, inWindow, rowValues } from "../src/views/shared/edges.js";
import { close, frame, frameOf, row, stored } from "./helpers.js";

const listed = (edges) =>
  Array.from({ length: edges.length }, (_, i) => [edges.lane[i], edges.query[i], edges.key[i]]);

test("every pair at or above the threshold is a line, weakest first, and nothing else is", () => {
  const weights = [
    [
      [0.7, 0.2, 0.1],
      [0.01, 0.5, 0.49],
    ],
  ];
  const edges = edgesOf(frameOf(weights), [0], 0.1);
  assert.deepEqual(listed(edges), [
    [0, 0, 2],
    [0, 0, 1],
    [0, 1, 2],
    [0, 1, 1],
    [0, 0, 0],
  ]);
  assert.ok(close(edges.mass, 1.99));
  assert.equal(edges.perRow, null);
});

test("heads that are off have no lines", () => {
  const edges = edgesOf(frame("head"), [1], 0);
  assert.ok(edges.length > 0);
  assert.ok(edges.lane.every((lane) => lane === 1));
});

test("query and key are not swapped on a rectangular map", () => {
  const edges = edgesOf(frame("head"), [0, 1, 2], 0);
  assert.equal(Math.max(...edges.query), 3);
  assert.equal(Math.max(...edges.key), 4);
  const { values } = stored("head");
  const last = edges.length - 1; // the strongest
  const strongest = Math.max(...values.flat(2));
  assert.equal(values[edges.lane[last]][edges.query[last]][edges.key[last]], strongest);
});

test("beyond 64 tokens each row keeps its strongest, within the budget", () => {
  const n = drawing.lines.all_pairs_up_to + 6;
  const rows = Array.from({ length: n }, (_, q) =>
    Array.from({ length: n }, (_, k) => (k === (q * 7) % n ? 0.5 : 0.5 / n)),
  );
  const edges = edgesOf(frameOf([rows, rows]), [0, 1], 0);
  assert.equal(edges.perRow, 8);
  assert.equal(edges.length, 2 * n * 8);
  assert.ok(edges.length <= drawing.lines.most);
  for (let i = edges.length - 2 * n; i < edges.length; i++)
    assert.equal(edges.key[i], (edges.query[i] * 7) % n);
});

test("sparse frames give the same strongest lines as the whole", () => {
  const edges = edgesOf(frame("edges"), [0, 1], 0);
  const { values } = stored("edges");
  assert.equal(edges.length, 2 * 6 * 2);
  for (let i = 0; i < edges.length; i++) {
    const keys = values[edges.lane[i]][edges.query[i]];
    const rank = keys.filter((v) => v > keys[edges.key[i]]).length;
    assert.ok(rank < 2, `${edges.query[i]} → ${edges.key[i]} has rank ${rank}`);
  }
});

test("a hovered row is drawn from its exact numbers once they have come", () => {
  const before = rowValues(frame("head"), "query", 2, null);
  const after = rowValues(frame("head"), "query", 2, row("row"));
  const { values } = stored("row");
  assert.equal(before.exact, false);
  assert.equal(after.exact, true);
  for (let k = 0; k < 5; k++) {
    assert.equal(after.at(1, k), Math.fround(values[1][k]));
    assert.ok(close(before.at(1, k), values[1][k], 0.01));
  }
});

test("a hovered key shows the queries that attend to it, by the numbers of the frame", () => {
  const { values } = stored("column");
  const edges = edgesOfRow(frame("head"), [0, 1, 2], 0, "key", 4, row("column"));
  assert.ok(edges.key.every((key) => key === 4));
  for (let i = 0; i < edges.length; i++) {
    assert.ok(Math.abs(edges.weight[i] - values[edges.lane[i]][edges.query[i]]) < 0.004);
  }
  const sameLines = edgesOfRow(frame("head"), [0, 1, 2], 0, "key", 4, null);
  assert.deepEqual(edges.weight, sameLines.weight);
});

test("a window shows the lines of its own queries", () => {
  const weights = [Array.from({ length: 9 }, () => Array(9).fill(0.1))];
  const edges = edgesOf(frameOf(weights), [0], 0);
  const { indices, dropped } = inWindow(edges, [2, 4]);
  assert.equal(indices.length, 18);
  assert.equal(dropped, 0);
  assert.ok([...indices].every((i) => edges.query[i] === 2 || edges.query[i] === 3));
});

test("what is not a number is no line, and drawing lines always ends", () => {
  const edges = edgesOfRow(frameOf([[[0.5, NaN, 0.25]]]), [0], 0, "query", 0, null);
  assert.deepEqual([...edges.key], [2, 0]);
});

test("a weight equal to the threshold is a line: of all pairs, of the strongest, of one row", () => {
  const dense = frameOf([[[0.25, 0.5, 0.125]]]);
  assert.equal(edgesOf(dense, [0], 0.25).length, 2);
  assert.equal(edgesOfRow(dense, [0], 0.25, "query", 0, null).length, 2);
  const array = (name, shape, data) => ({ name, shape, data, table: null, scale: 1 });
  const sparse = {
    ...dense,
    arrays: {
      edges_key: array("edges_key", [1, 1, 2], Uint16Array.of(1, 0)),
      edges_weight: array("edges_weight", [1, 1, 2], Float32Array.of(0.5, 0.25)),
    },
  };
  assert.equal(edgesOf(sparse, [0], 0.25).length, 2);
});
