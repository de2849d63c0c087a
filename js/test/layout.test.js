import assert from "node:assert/strict";
import { test } from "node:test";
import { ALL_ROWS, headHit, headLayout, rowMiddle, visibleRows } from "../src/views/head/layout.js";
import { matrixHit, matrixLayout, zoomed } from "../src/views/matrix/layout.js";

const layout = headLayout(860, 15, 12, 12, 50, 50, 800);

test("at 860 px the columns stand where the look has them", () => {
  assert.equal(layout.xQuery, 112);
  assert.equal(layout.xKey, 424);
  assert.equal(layout.strip.x, 512);
  assert.equal(layout.strip.column, 16);
  assert.equal(layout.row, 23);
});

test("the middle of each row hits that row, on the side where it stands", () => {
  for (let i = 0; i < 15; i++) {
    assert.deepEqual(headHit(layout, 90, rowMiddle(layout, i, 0), 0), { side: "query", index: i });
  }
  for (let i = 0; i < 12; i++) {
    assert.deepEqual(headHit(layout, 440, rowMiddle(layout, i, 0), 0), { side: "key", index: i });
  }
});

test("beyond the last key, between the columns and above the first row nothing is hit", () => {
  assert.equal(headHit(layout, 440, rowMiddle(layout, 12, 0), 0), null);
  assert.equal(headHit(layout, 268, 100, 0), null);
  assert.equal(headHit(layout, 90, 5, 0), null);
});

test("the strip tells key and head", () => {
  const x = layout.strip.x + 3.5 * layout.strip.column;
  assert.deepEqual(headHit(layout, x, rowMiddle(layout, 7, 0), 0), { strip: 7, lane: 3 });
  assert.deepEqual(headHit(layout, layout.strip.xBar + 9, rowMiddle(layout, 7, 0), 0), {
    strip: 7,
    lane: undefined,
  });
});

test("long texts scroll in a window, short ones never do", () => {
  assert.equal(headLayout(860, ALL_ROWS, 9, 12, 50, 50, 800).scrolls, false);
  const long = headLayout(860, 600, 600, 12, 50, 50, 800);
  assert.equal(long.scrolls, true);
  assert.ok(long.height < 800);
  assert.deepEqual(visibleRows(long, 600, 17 * 100)[0], 100);
  assert.deepEqual(headHit(long, 90, rowMiddle(long, 130, 1700), 1700), {
    side: "query",
    index: 130,
  });
});

test("below 700 px there is no strip, and all still fits", () => {
  for (const width of [360, 480, 600, 699]) {
    const narrow = headLayout(width, 15, 15, 12, 50, 50, 800);
    assert.equal(narrow.strip, null);
    assert.ok(narrow.arcEnd - narrow.arcStart > 60, `${width}`);
    assert.ok(narrow.xValue <= width);
  }
});

test("every matrix cell is hit in its middle, and rows are not columns", () => {
  const m = matrixLayout(860, 4, 6, 50, 50, 1, 0);
  for (let row = 0; row < 4; row++) {
    for (let column = 0; column < 6; column++) {
      const [x, y] = [m.x0 + (column + 0.5) * m.cell, m.y0 + (row + 0.5) * m.cell];
      assert.deepEqual(matrixHit(m, x, y, { row: 0, column: 0 }), { row, column });
    }
  }
  const y = m.y0 + 2.5 * m.cell;
  assert.deepEqual(matrixHit(m, 40, y, { row: 0, column: 0 }), { side: "query", index: 2 });
  assert.equal(matrixHit(m, m.x0 + 6.5 * m.cell, y, { row: 0, column: 0 }), null);
});

test("a slanted key label is hit along its slope", () => {
  const m = matrixLayout(860, 4, 6, 50, 50, 1, 0);
  const [x, y] = [m.x0 + 3.5 * m.cell, m.y0 - 11];
  for (const along of [0, 10, 25]) {
    assert.deepEqual(matrixHit(m, x + along, y - along, { row: 0, column: 0 }), {
      side: "key",
      index: 3,
    });
  }
});

test("cells are whole device pixels, and pooled where they would be smaller", () => {
  for (const ratio of [1, 1.5, 2]) {
    for (const n of [5, 15, 64, 119, 512, 2048]) {
      const m = matrixLayout(860, n, n, 50, 50, ratio, 0);
      assert.ok(Number.isInteger(Math.round(m.cell * ratio * 1e6) / 1e6), `${n} at ${ratio}`);
      assert.ok(m.width <= 860, `${n} at ${ratio} is ${m.width} wide`);
      assert.equal(m.pool > 1, m.cell * ratio === 1 && n > m.rows);
      assert.equal(m.rows, Math.ceil(n / m.pool));
    }
  }
});

test("zooming in reaches cells that are named, and out again shows all", () => {
  let m = matrixLayout(860, 512, 512, 50, 50, 1, 0);
  for (let i = 0; i < 12; i++) m = matrixLayout(860, 512, 512, 50, 50, 1, zoomed(m, 1, 1));
  assert.ok(m.label > 0 && m.gaps && !m.whole);
  for (let i = 0; i < 14; i++) m = matrixLayout(860, 512, 512, 50, 50, 1, zoomed(m, 1, -1));
  assert.ok(m.whole);
});

test("a map of few rows and many columns is drawn taller than wide, and every row can be hit", () => {
  const m = matrixLayout(860, 12, 1500, 60, 50, 1, 0);
  assert.deepEqual([m.rowPool, m.rows, m.whole], [1, 12, true]);
  assert.ok(m.pool > 1 && m.tall >= 16 && m.rowLabel > 0 && m.label === 0);
  assert.ok(m.width <= 860 - 330 && m.height >= 12 * m.tall);
  const x = m.x0 + 40 * m.cell + 0.5;
  for (let row = 0; row < 12; row++) {
    const y = m.y0 + (row + 0.5) * m.tall;
    assert.deepEqual(matrixHit(m, x, y, { row: 0, column: 0 }), { row, column: 40 });
    assert.deepEqual(matrixHit(m, 30, y, { row: 0, column: 0 }), { side: "query", index: row });
  }
  assert.equal(matrixHit(m, x, m.y0 + 12.5 * m.tall, { row: 0, column: 0 }), null);
});

test("a flat map keeps its height when zoomed, until its cells are square", () => {
  let m = matrixLayout(860, 12, 1500, 60, 50, 1, 0);
  const { tall } = m;
  for (let i = 0; i < 16; i++) {
    m = matrixLayout(860, 12, 1500, 60, 50, 1, zoomed(m, 1, 1));
    assert.equal(m.tall, Math.max(tall, m.cell));
    assert.equal(m.rowPool, 1);
  }
  assert.equal(m.tall, m.cell);
  for (let i = 0; i < 16; i++) m = matrixLayout(860, 12, 1500, 60, 50, 1, zoomed(m, 1, -1));
  assert.deepEqual([m.whole, m.tall], [true, tall]);
});

test("square maps and small ones keep square cells", () => {
  for (const [rows, columns] of [
    [4, 6],
    [12, 40],
    [512, 512],
    [300, 1500],
    [1500, 12],
  ]) {
    const m = matrixLayout(860, rows, columns, 60, 50, 1, 0);
    assert.deepEqual([m.tall, m.rowPool, m.rowLabel], [m.cell, m.pool, m.label]);
  }
});
