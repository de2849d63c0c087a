// A static page's frames are those that Python makes of the same rounded numbers: every view, method and way to display.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { inflateRawSync } from "node:zlib";
import { decodeFrame } from "../src/wire/decode.js";
import { answers } from "../src/static/frames.js";
import { StaticModel } from "../src/static/model.js";
import { pooled, unpacked } from "../src/static/numbers.js";

const page = JSON.parse(readFileSync(new URL("frames/page.json", import.meta.url), "utf8"));
const bytes = new Uint8Array(inflateRawSync(Buffer.from(page.payload, "base64")));
const stored = unpacked(bytes);
// The picture that was on screen is stored as it is; here every frame is to be derived.
const answer = answers({ ...stored, shown: null }, bytes);
const spec = page.frames[0].header.spec;

/** Python's frame, decoded as the wire is. */
function expected({ header, buffers }) {
  return decodeFrame(
    header,
    buffers.map((text) => new Uint8Array(Buffer.from(text, "base64"))),
  );
}

/** A page's frame for the same request. */
function derived({ spec, query }) {
  const { header, buffers } = answer({ ...spec, query });
  return decodeFrame(header, buffers);
}

/** An axis of a page also says where it is in the source, for the text view. */
function plain(field) {
  if (!field?.positions) return field;
  const axis = { ...field };
  delete axis.spans;
  return axis;
}

test("the frame that was on screen is answered exactly as it was", () => {
  const { shown } = stored;
  assert.equal(shown.header.view, "head");
  const { header, buffers } = answers(stored, bytes)(shown.header.spec);
  assert.deepEqual(header, shown.header);
  const frame = decodeFrame(header, buffers);
  assert.equal(frame.arrays.weights.table.length, 256);
  const other = answers(stored, bytes)({ ...shown.header.spec, layer: 0 });
  assert.equal(other.header.spec.layer, 0);
});

function near(actual, wanted, within, what) {
  assert.equal(actual.length, wanted.length, what);
  for (let i = 0; i < wanted.length; i++) {
    const close = actual[i] === wanted[i] || Math.abs(actual[i] - wanted[i]) <= within;
    assert.ok(close, `${what}[${i}] is ${actual[i]}, not ${wanted[i]}`);
  }
}

/** How far an array may be off: bytes by the last bit of a rounding, sums by the one part in 4096 they are kept to. */
const WITHIN = { weights: 1, tiles: 1, row_sum: 3e-4, hidden_mass: 1e-5, measured: 1e-5 };

for (const view of ["head", "matrix", "model", "text", "neuron"]) {
  const frames = page.frames.filter(({ header }) => header.view === view);
  test(`${frames.length} frames of the ${view} view equal Python's`, () => {
    assert.ok(frames.length >= 2);
    for (const frame of frames) {
      const [wanted, actual] = [expected(frame), derived(frame.header)];
      const what = `${JSON.stringify(frame.header.spec)} `;
      // What Python sends and no static page uses: the bound's own values, which only exact rows show.
      const arrays = { ...wanted.arrays };
      delete arrays.upper;
      assert.deepEqual(Object.keys(actual.arrays).sort(), Object.keys(arrays).sort(), what);
      for (const [name, { data, shape, scale, table }] of Object.entries(arrays)) {
        const mine = actual.arrays[name];
        assert.deepEqual(mine.shape, shape, what + name);
        assert.ok(Math.abs(mine.scale - scale) < 1e-9, what + name);
        assert.equal(!!mine.table, !!table, what + name);
        near(mine.data, data, WITHIN[name] ?? 1e-5, what + name);
      }
      for (const [name, value] of Object.entries(frame.header)) {
        if (["arrays", "spec", "capture_id"].includes(name)) continue;
        if (name === "tiles") {
          // Rounded numbers here, and exact sums of rows: the hidden share is as close as they are.
          const hidden = (tiles) => tiles.map((tile) => tile.hidden);
          near(hidden(actual.tiles), hidden(value), 0.01, `${what} hidden`);
          for (const [i, tile] of value.entries()) actual.tiles[i].hidden = tile.hidden;
        }
        assert.deepEqual(plain(actual[name]) ?? null, value, what + name);
      }
    }
  });
}

test("the frames that are compared differ: no method, head or way to display answers for another", () => {
  for (const view of ["head", "matrix", "text", "neuron"]) {
    const ours = page.frames.filter(({ header }) => header.view === view);
    assert.equal(new Set(ours.map(({ buffers }) => buffers.join("|"))).size, ours.length, view);
  }
});

test("what is not stored is said in a sentence, and the head whose queries are there is named", () => {
  assert.throws(
    () => answer({ ...spec, method: "relevance" }),
    (said) => said === "relevance in layer 1 is not stored in this page.",
  );
  assert.throws(
    () => answer({ ...spec, view: "matrix", head: 7 }),
    (said) => said === "raw in layer 1, head 7, is not stored in this page.",
  );
  assert.throws(
    () => answer({ ...spec, attention: "encoder" }),
    (said) => said === "Attention encoder is not stored in this page.",
  );
  const { header } = answer({ ...spec, view: "neuron", layer: 2, head: 0 });
  assert.match(header.why, /of decoder attention, layer 1, head 1/);
});

test("a block's maximum is kept, and a missing number stays missing", () => {
  const weights = Float64Array.of(NaN, 0.2, 0.9, 0.3, 0.1, 0.4);
  assert.deepEqual([...pooled(weights, 3, [2, 2])], [NaN, 0.9]);
  assert.deepEqual([...pooled(weights, 3, [1, 2])], [NaN, 0.9, 0.3, 0.4]);
});

test("a page refuses what only a kernel can change, says so, and brings its head along with the neuron view", () => {
  const model = new StaticModel({ text: "a", residual: 0.5, layer: 4, error: {} }, answer, {
    neuron: { layer: 1, head: 1 },
  });
  const changed = [];
  for (const name of ["residual", "error", "view", "layer"])
    model.on(`change:${name}`, () => changed.push(name));
  model.set("residual", 0.5);
  assert.deepEqual(changed, []);
  model.set("residual", 0.7);
  assert.equal(model.get("residual"), 0.5);
  assert.match(model.get("error").message, /residual is fixed in this page/);
  assert.equal(model.get("error").id, 1);
  model.set("view", "neuron");
  assert.deepEqual([model.get("layer"), model.get("head")], [1, 1]);
  assert.deepEqual(changed, ["error", "view", "layer"]);
});
