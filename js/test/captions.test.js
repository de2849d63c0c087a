// The same lines and the same sentences as Python's, over views, methods and toggles: see tests/pictures/stored_captions.py.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { decodeFrame } from "../src/wire/decode.js";
import { focusOf } from "../src/views/shared/selection.js";
import { describeHead, focusValues } from "../src/views/head/words.js";
import { describeMatrix } from "../src/views/matrix/words.js";
import { describeModel } from "../src/views/model/words.js";
import { describeNeuron } from "../src/views/neuron/words.js";
import { describeText, shades, textFocus } from "../src/views/text/words.js";
import { drawnEdges, lanesOn } from "../src/views/shared/edges.js";
import { trustWords } from "../src/controls/caption.js";

const { cases } = JSON.parse(
  readFileSync(new URL("frames/captions.json", import.meta.url), "utf8"),
);
const look = { dark: false, ink3: "#686d76" };

/** @param {any} scene */
function head(scene) {
  const { frame, traits } = scene;
  const joint = frame.lanes[0].head === null;
  const lanes = lanesOn(frame, traits.heads);
  const focus = focusOf(frame.queries, frame.keys, traits, null);
  const lines = drawnEdges(frame, lanes, traits.threshold, focus, () => null);
  const values = focus && focusValues(scene, focus, lanes);
  const layout = { scrolls: false };
  const { said } = describeHead(scene, {
    focus,
    values,
    lanes,
    lines,
    joint,
    layout,
    dropped: 0,
    rows: { query: [0, 0], key: [0, 0] },
    colour: () => "",
  });
  return said.caption;
}

const captions = {
  head,
  matrix: (scene) =>
    describeMatrix(scene, {
      layout: { pool: 1, rowPool: 1, whole: true, label: true },
      waits: false,
      focus: null,
      root: false,
      scale: 1,
      listed: 5,
    }).caption,
  model: (scene) =>
    describeModel(scene, {
      joint: scene.frame.tiles[0].head === null,
      detail: null,
      order: { text: "", top: 0, sorted: false },
      scores: null,
      asNumbers: false,
    }).caption,
  neuron: (scene) => {
    const { q, k } = scene.frame.arrays;
    const product = Float32Array.from(k.data, (x, i) => x * q.data[i % q.data.length]);
    return describeNeuron(scene, { product, key: 0, channel: 0, clip: 1 }).caption;
  },
  text: (scene) => {
    const focus = textFocus(scene);
    return describeText(scene, focus, focus && shades(scene, focus), "").caption;
  },
};

test("the captions are Python's, over views, methods and toggles", () => {
  assert.ok(cases.length > 60);
  for (const { header, buffers, selections } of cases) {
    const frame = decodeFrame(
      header,
      buffers.map((text) => new Uint8Array(Buffer.from(text, "base64"))),
    );
    for (const { caption, ...selection } of selections) {
      const traits = { ...frame.spec, ...selection };
      const scene = { frame, traits, look, width: 860, hover: null, detail: null };
      const made = captions[frame.view]({ ...scene, exact: () => null });
      const chosen = frame.tiles?.find(
        ({ layer, head }) => layer === traits.layer && (head === null || head === traits.head),
      );
      const share = frame.tiles ? chosen?.saturation : frame.saturation;
      const last = caption.length - (frame.notes?.length ?? 0);
      const broken = frame.missing ? caption.slice(last - 1, last) : [];
      assert.deepEqual(
        [...trustWords(frame, share), ...made, ...broken, ...(frame.notes ?? [])],
        caption,
        JSON.stringify([frame.spec, selection]),
      );
    }
  }
});

test("the lines are Python's", () => {
  let compared = 0;
  for (const { header, buffers, selections } of cases) {
    if (header.view !== "head") continue;
    const frame = decodeFrame(
      header,
      buffers.map((text) => new Uint8Array(Buffer.from(text, "base64"))),
    );
    for (const { lines, heads, threshold, ...pins } of selections) {
      const focus = focusOf(frame.queries, frame.keys, pins, null);
      const edges = drawnEdges(frame, lanesOn(frame, heads), threshold, focus, () => null);
      const found = Array.from({ length: edges.length }, (_, i) => [
        edges.lane[i],
        edges.query[i],
        edges.key[i],
      ]);
      const order = (a, b) => a[0] - b[0] || a[1] - b[1] || a[2] - b[2];
      assert.deepEqual(found.sort(order), lines, JSON.stringify([frame.spec, heads, pins]));
      compared += lines.length;
    }
  }
  assert.ok(compared > 1000);
});
