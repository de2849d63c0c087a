import assert from "node:assert/strict";
import { test } from "node:test";
import { strongestIn, visibleGrid } from "../src/views/shared/parts.js";
import { covers, regionOf } from "../src/wire/regions.js";
import { matrixLayout, scaleOf, zoomed } from "../src/views/matrix/layout.js";
import { rowValues } from "../src/views/shared/edges.js";
import { largest } from "../src/views/shared/pair.js";
import { Requester } from "../src/wire/requests.js";
import { Store } from "../src/wire/frames.js";
import { close } from "./helpers.js";

const N_QUERIES = 10;
const N_KEYS = 14;
const exactly = (q, k) => (q * N_KEYS + k + 1) / 1000;
const axis = (n) => ({
  text: Array.from({ length: n }, (_, i) => `t${i}`),
  positions: Array.from({ length: n }, (_, i) => [i]),
  special: Array(n).fill(0),
});
/** Cells of a region, each the largest of its block. */
function cellsOf(pool, rows, columns) {
  const shape = [
    Math.ceil((rows[1] - rows[0]) / pool),
    Math.ceil((columns[1] - columns[0]) / pool),
  ];
  const data = new Float32Array(shape[0] * shape[1]);
  for (let q = rows[0]; q < rows[1]; q++) {
    for (let k = columns[0]; k < columns[1]; k++) {
      const i = Math.floor((q - rows[0]) / pool) * shape[1] + Math.floor((k - columns[0]) / pool);
      data[i] = Math.max(data[i], exactly(q, k));
    }
  }
  return {
    pool,
    rows,
    columns,
    arrays: { weights: { name: "weights", shape, data, table: null, scale: 1 } },
  };
}
const coarse = (causal = false) => ({
  ...cellsOf(4, [0, N_QUERIES], [0, N_KEYS]),
  queries: axis(N_QUERIES),
  keys: axis(N_KEYS),
  lanes: [{ head: 0 }],
  causal,
});

test("what is asked for starts and ends on whole cells, within the axes", () => {
  const frame = coarse();
  assert.deepEqual(regionOf(frame, 2, { row: 1, column: 3, rows: 2, columns: 2 }), {
    pool: 2,
    rows: [2, 6],
    columns: [6, 10],
  });
  assert.deepEqual(regionOf(frame, 2, { row: 1, column: 3, rows: 2, columns: 2 }, 2), {
    pool: 2,
    rows: [0, 10],
    columns: [2, 14],
  });
});

test("a margin that would make the reply too large is left out", () => {
  const frame = { queries: axis(8192), keys: axis(8192) };
  const cells = { row: 3000, column: 3000, rows: 1500, columns: 1500 };
  assert.deepEqual(
    regionOf(frame, 1, cells, 375).rows,
    [2625, 4875].map((x, i) => [3000, 4500][i]),
  );
  assert.deepEqual(regionOf(frame, 1, { ...cells, rows: 900 }, 50).rows, [2950, 3950]);
});

test("cells come from the finer part as far as it reaches, from the coarse cells beyond", () => {
  const frame = coarse();
  const part = cellsOf(2, [2, 6], [4, 10]);
  const grid = visibleGrid(frame, part, 2, 0, 1, 4, 5);
  const at = (r, c) => grid.values[r * 5 + c];
  assert.ok(close(at(1, 1), exactly(3, 5))); // queries 2 and 3, keys 4 and 5: the last is the largest
  assert.ok(close(at(2, 3), exactly(5, 9)));
  assert.ok(close(at(0, 0), exactly(3, 3))); // outside: the coarse block of queries 0–3 and keys 0–3
  assert.ok(close(at(3, 4), exactly(7, 11)));
});

test("finer cells ahead of their query are masked one by one", () => {
  const grid = visibleGrid(coarse(true), null, 1, 4, 4, 3, 4);
  assert.deepEqual([...grid.masked], [0, 1, 1, 1, 0, 0, 1, 1, 0, 0, 0, 1]);
});

test("a block is read by its strongest pair where pairs are known, else as a block", () => {
  const frame = coarse();
  assert.deepEqual(strongestIn(frame, null, 8, 0, 0).span, 4);
  assert.deepEqual(
    [strongestIn(frame, null, 8, 0, 0).query, strongestIn(frame, null, 8, 0, 0).key],
    [4, 4],
  );
  const pairs = cellsOf(1, [0, 8], [0, 8]);
  const { query, key, span, value } = strongestIn(frame, pairs, 8, 0, 0);
  assert.deepEqual([query, key, span], [7, 7, undefined]);
  assert.ok(close(value, exactly(7, 7)));
});

test("a row of a pooled matrix is rounded to its cells until the exact one is there", () => {
  const frame = coarse();
  assert.ok(close(rowValues(frame, "query", 5, null).at(0, 9), exactly(7, 11)));
  assert.ok(close(rowValues(frame, "key", 9, null).at(0, 5), exactly(7, 11)));
});

test("zooming into a long text never makes cells smaller, and comes to single pairs and back", () => {
  for (const [n, sent] of [
    [2100, 2],
    [5000, 3],
    [8192, 4],
  ]) {
    for (const ratio of [1, 1.5, 2]) {
      const at = (zoom) => matrixLayout(860, n, n, 50, 50, ratio, zoom, sent);
      let m = at(0);
      assert.equal(m.pool % sent, 0);
      assert.ok(m.width <= 860);
      let steps = 0;
      while (m.pool > 1 || m.cell < 20) {
        const next = at(zoomed(m, ratio, 1));
        assert.ok(scaleOf(next, ratio) > scaleOf(m, ratio), `${n} ${ratio} ${m.pool}`);
        assert.ok(next.pool <= sent || next.pool % sent === 0);
        m = next;
        steps++;
      }
      for (; steps >= 0; steps--) m = at(zoomed(m, ratio, -1));
      assert.ok(m.whole);
    }
  }
});

test("a finer part is asked for once, replaces the coarse cells, and a late one is dropped", () => {
  const sent = [];
  const requester = new Requester((message) => sent.push(message), "s");
  let changes = 0;
  const store = new Store(requester, () => (changes += 1));
  store.complete = true;
  const frame = { spec: { capture_id: 0, view: "matrix", method: "raw", layer: 1, head: 2 } };
  const want = { pool: 2, rows: [0, 4], columns: [0, 4] };
  const far = { pool: 2, rows: [4, 8], columns: [4, 8] };
  const asked = () => sent.filter(({ kind }) => kind === "request");
  const reply = (id, { pool, rows, columns }) =>
    requester.receive(
      {
        kind: "reply",
        id,
        data: {
          pool,
          rows,
          columns,
          arrays: [{ name: "weights", dtype: "uint8", shape: [2, 2], encoding: "sqrt8", scale: 1 }],
        },
      },
      [new DataView(new ArrayBuffer(4))],
    );
  assert.equal(store.finer(frame, want), null);
  store.finer(frame, want);
  assert.equal(asked().length, 1);
  assert.deepEqual(asked()[0].data.rows, [0, 4]);
  store.finer(frame, far);
  reply(asked()[0].id, want); // late
  assert.equal(changes, 0);
  reply(asked()[1].id, far);
  assert.equal(changes, 1);
  assert.ok(covers(store.finer(frame, far), far));
  assert.ok(!covers(store.finer(frame, want), want)); // the newest as fine stands until then
  assert.equal(asked().length, 3);
  assert.equal(store.finer({ spec: { ...frame.spec, head: 3 } }, far), null);
  store.forget();
  assert.equal(store.finer(frame, far), null);
});

test("the largest are found in one pass, the first of equals first, without what is not to be listed", () => {
  const values = [0.2, NaN, 0.9, -1, 0.2, 0.5, 0.9];
  assert.deepEqual(
    largest(7, 4, (i) => values[i]),
    [2, 6, 5, 0],
  );
  assert.deepEqual(
    largest(7, 99, (i) => values[i]),
    [2, 6, 5, 0, 4],
  );
});
