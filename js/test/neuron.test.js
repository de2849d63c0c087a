import assert from "node:assert/strict";
import { test } from "node:test";
import { HEADER, neuronHit, neuronLayout } from "../src/views/neuron/layout.js";
import { channelOrder, clip99, products } from "../src/views/neuron/math.js";
import { describeNeuron } from "../src/views/neuron/words.js";
import { close, look } from "./helpers.js";

const plain = (shape, values) => ({
  shape,
  data: Float32Array.from(values),
  table: null,
  scale: 1,
});
const frame = {
  layer_label: "layer 3",
  spec: { head: 1 },
  query: 0,
  queries: { text: ["are"] },
  keys: { text: ["the", "keys"] },
  channels: 3,
  difference: 3.5e-7,
  passed: 1,
  stages: [{ name: "dot" }, { name: "scaled" }, { name: "mask" }, { name: "softmax" }],
  arrays: {
    q: plain([3], [1, -2, 3]),
    k: plain([2, 3], [1, 1, 1, -1, -1, 2]),
    dot: plain([2], [2, 7]),
    measured: plain([2], [0.1, 0.9]),
  },
};

test("each row of products adds up to q · k", () => {
  const product = products(frame);
  assert.deepEqual([...product], [1, -2, 3, -1, 2, 6]);
  for (let key = 0; key < 2; key++) {
    const sum = product.slice(key * 3, key * 3 + 3).reduce((a, b) => a + b);
    assert.ok(close(sum, frame.arrays.dot.data[key]));
  }
});

test("channels run from the largest contribution, whatever its sign, or in order", () => {
  const product = products(frame);
  assert.deepEqual(channelOrder(product, 3, 0, true), [2, 1, 0]);
  assert.deepEqual(channelOrder(product, 3, 1, true), [2, 1, 0]);
  assert.deepEqual(channelOrder(Float32Array.of(-9, 1, 2), 3, 0, true), [0, 2, 1]);
  assert.deepEqual(channelOrder(product, 3, 0, false), [0, 1, 2]);
});

test("one value in a hundred may be clipped, never all", () => {
  assert.equal(clip99(Array.from({ length: 100 }, (_, i) => i)), 99);
  assert.equal(clip99([...Array(199).fill(1), 50]), 1);
  assert.equal(clip99([0, 0]), 1);
});

test("the columns fit at any width and any number of channels", () => {
  for (const width of [480, 600, 860, 1200]) {
    for (const channels of [32, 64, 128]) {
      const at = neuronLayout(width, 15, channels, 60, "dot|scaled|mask", 2);
      assert.ok(at.xWeight <= width, `${width} ${channels}`);
      assert.ok(at.xProduct + at.strip <= at.numbers[0].x, `${width} ${channels}`);
      assert.ok(at.bar >= 20);
    }
  }
});

test("a point is a key, and in a strip a channel", () => {
  const at = neuronLayout(860, 15, 32, 60, "dot|scaled", 1);
  const y = HEADER + 4.5 * at.row;
  assert.deepEqual(neuronHit(at, at.xProduct + 2.5 * at.channel, y, 0, 15, 32), {
    key: 4,
    place: 2,
    onToken: false,
  });
  assert.deepEqual(neuronHit(at, at.xKey + 0.5, y, 0, 15, 32), {
    key: 4,
    place: 0,
    onToken: false,
  });
  assert.equal(neuronHit(at, 20, y, 0, 15, 32).onToken, true);
  assert.equal(neuronHit(at, 20, HEADER - 1, 0, 15, 32), null);
  assert.equal(neuronHit(at, 20, HEADER + 15 * at.row + 1, 0, 15, 32), null);
});

test("the words name the channel's part of the sum, and whether the weights agree", () => {
  const given = { product: products(frame), key: 1, channel: 2, clip: 6 };
  const said = describeNeuron({ frame, look }, given);
  assert.equal(said.reading.notes[0], "channel 2: 3.000 × 2.000 = 6.000 of 7.000");
  assert.ok(close(said.reading.value, 0.9));
  assert.equal(said.caption[0], "recomputed − measured ≤ 3.5 × 10⁻⁷ ✓");
  assert.match(said.caption[1], /^with mask/);
  const wrong = describeNeuron({ frame: { ...frame, passed: 0 }, look }, given);
  assert.match(wrong.caption[0], /do not agree$/);
});
