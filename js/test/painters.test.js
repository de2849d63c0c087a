import assert from "node:assert/strict";
import { test } from "node:test";
import { edgesOf } from "../src/views/shared/edges.js";
import { level, openRows, paintCells, pixels } from "../src/paint/heatmap.js";
import { pooled } from "../src/paint/pooling.js";
import {
  laneOffset,
  lineOpacity,
  lineWidth,
  paintLines,
  traceOpacity,
} from "../src/views/head/marks.js";
import { HEADS, scaleTable } from "../src/paint/palettes.js";
import { paintToken } from "../src/paint/tokens.js";
import { close, frame, frameOf, look, recorder, stored } from "./helpers.js";

const style = {
  xStart: 0,
  xEnd: 100,
  yQuery: (i) => 10 + 20 * i,
  yKey: (i) => 10 + 20 * i,
  offset: () => 0,
  colour: (lane) => HEADS.light[lane],
  opacity: lineOpacity,
  scale: 1,
};

/** The drawn lines as [colour, query, key, opacity]. */
function linesOf(ctx) {
  const lines = [];
  let open = [];
  for (const call of ctx.calls) {
    if (call.name === "beginPath") open = [];
    if (call.name === "moveTo") open.push({ query: (call.args[1] - 10) / 20 });
    if (call.name === "bezierCurveTo") open[open.length - 1].key = (call.args[5] - 10) / 20;
    if (call.name === "stroke") {
      for (const line of open)
        lines.push([call.strokeStyle, line.query, line.key, call.globalAlpha]);
    }
  }
  return lines;
}

test("one strong pair is one line of its head's colour from its query to its key", () => {
  const weights = [0, 1].map((lane) =>
    [0, 1, 2].map((q) => [0, 1, 2, 3].map((k) => (lane === 1 && q === 2 && k === 1 ? 1 : 0))),
  );
  const ctx = recorder();
  paintLines(ctx, edgesOf(frameOf(weights), [0, 1], 0.02), style);
  assert.deepEqual(linesOf(ctx), [[HEADS.light[1], 2, 1, 1]]);
});

test("strong lines are drawn over weak ones, and denser", () => {
  const ctx = recorder();
  paintLines(ctx, edgesOf(frameOf([[[0.05, 0.9, 0.3]]]), [0], 0), style);
  const lines = linesOf(ctx);
  assert.deepEqual(
    lines.map((line) => line[2]),
    [0, 2, 1],
  );
  assert.ok(lines[0][3] < lines[1][3] && lines[1][3] < lines[2][3]);
});

test("width and opacity follow the look", () => {
  assert.equal(lineWidth(1), 2.5);
  assert.equal(lineOpacity(1), 1);
  assert.equal(lineOpacity(0.001), 0.1);
  assert.ok(close(lineOpacity(0.5), 0.5 ** 0.65));
  for (const w of [0.02, 0.3, 1]) assert.ok(traceOpacity(w) <= 0.035);
  assert.equal(laneOffset(0, 12), -5.5 * (17 / 12));
  assert.equal(laneOffset(1, 3), 0);
});

test("each cell has the colour of its own weight: a transposed matrix would not", () => {
  const { arrays } = frame("matrix");
  const { values } = stored("matrix");
  const grid = pooled(arrays.weights, 0, 5, 5, 1, null);
  const ctx = recorder();
  const part = { row: 0, column: 0, rows: 5, columns: 5 };
  paintCells(ctx, grid, part, {
    x0: 50,
    y0: 30,
    cell: 10,
    tall: 10,
    scale: 1,
    root: false,
    dark: false,
    ink: "#000",
    dotted: null,
  });
  const { css } = scaleTable("sequential", false);
  const cells = new Map(ctx.named("fillRect").map((call) => [call.args.slice(0, 2).join(), call]));
  for (let q = 0; q < 5; q++) {
    for (let k = 0; k < 5; k++) {
      const call = cells.get([50 + 10 * k, 30 + 10 * q].join());
      const wanted = level(values[0][q][k], 1, false);
      const got = css.indexOf(call.fillStyle);
      assert.ok(Math.abs(got - wanted) <= 2, `query ${q}, key ${k}: ${got}, not ${wanted}`);
      assert.deepEqual(call.args.slice(2), [9, 9]);
    }
  }
});

test("what a causal model cannot see stays paper, in rectangles and in pixels", () => {
  const { arrays } = frame("matrix");
  const ahead = (row, column) => column > row;
  const grid = pooled(arrays.weights, 0, 5, 5, 1, ahead);
  const part = { row: 0, column: 0, rows: 5, columns: 5 };
  const ctx = recorder();
  paintCells(ctx, grid, part, {
    x0: 0,
    y0: 0,
    cell: 10,
    tall: 10,
    scale: 1,
    root: false,
    dark: false,
    ink: "#000",
    dotted: null,
  });
  assert.equal(ctx.named("fillRect").length, 15);
  const out = pixels(grid, part, { scale: 1, root: false, dark: false, missing: 1 });
  for (let row = 0; row < 5; row++) {
    for (let column = 0; column < 5; column++)
      assert.equal(out[row * 5 + column] === 0, column > row);
  }
});

test("a dot marks a value at its bound and no other", () => {
  const { arrays } = frame("matrix");
  const grid = pooled(arrays.weights, 0, 5, 5, 1, null);
  const dotted = (row, column) => !!arrays.saturated.data[row * 5 + column];
  const ctx = recorder();
  const part = { row: 0, column: 0, rows: 5, columns: 5 };
  paintCells(ctx, grid, part, {
    x0: 0,
    y0: 0,
    cell: 10,
    tall: 10,
    scale: 1,
    root: false,
    dark: false,
    ink: "#000",
    dotted,
  });
  const dots = ctx
    .named("arc")
    .map((call) => Math.floor(call.args[1] / 10) * 5 + Math.floor(call.args[0] / 10));
  assert.deepEqual(dots, [0, 4, 8, 12, 16, 20, 24]);
});

test("pooling keeps the strongest, and not a number is hatched, never coloured", () => {
  const weights = {
    name: "w",
    shape: [1, 4, 4],
    data: new Float32Array(16),
    table: null,
    scale: 1,
  };
  weights.data[6] = 0.9;
  const grid = pooled(weights, 0, 4, 4, 2, null);
  assert.deepEqual(
    [...grid.values].map((v) => Math.round(v * 10)),
    [0, 9, 0, 0],
  );
  weights.data[0] = NaN;
  const ctx = recorder();
  const part = { row: 0, column: 0, rows: 4, columns: 4 };
  paintCells(ctx, pooled(weights, 0, 4, 4, 1, null), part, {
    x0: 0,
    y0: 0,
    cell: 10,
    tall: 10,
    scale: 1,
    root: false,
    dark: false,
    ink: "#123456",
    dotted: null,
  });
  assert.equal(ctx.named("fillRect").length, 15);
  assert.equal(ctx.named("stroke")[0].strokeStyle, "#123456");
});

test("rows that are not exact are found in runs", () => {
  assert.deepEqual(openRows(frame("matrix").arrays.exact, 1), [
    [2, 3],
    [4, 5],
  ]);
  assert.deepEqual(openRows(undefined, 1), []);
});

test("a pinned token is an ink pill with paper text; text goes to fillText as it is", () => {
  const ctx = recorder();
  paintToken(ctx, look, "<b>da</b>", 100, 20, {
    align: "right",
    size: 13,
    room: 200,
    pinned: true,
  });
  assert.equal(ctx.named("fill")[0].fillStyle, look.ink);
  const [text] = ctx.named("fillText");
  assert.equal(text.fillStyle, look.paper);
  assert.equal(text.args[0], "<b>da</b>");
});

test("a token too long for its room is cut in the middle", () => {
  const ctx = recorder();
  paintToken(ctx, look, "x".repeat(500), 0, 0, { align: "left", size: 13, room: 60 });
  assert.match(ctx.named("fillText")[0].args[0], /^x+…x+$/);
  assert.ok(ctx.named("fillText")[0].args[0].length <= 10);
});
