// What the tests share: stored frames in the wire format, and a 2D context that records instead of drawing.
import { readFileSync } from "node:fs";
import { decodeFrame, decodeRow } from "../src/wire/decode.js";

/**
 * A stored message: `header` and base64 `buffers` as they cross the wire, `values` the numbers it was made from.
 * @param {string} name
 */
export function stored(name) {
  const { header, buffers, values } = JSON.parse(
    readFileSync(new URL(`frames/${name}.json`, import.meta.url), "utf8"),
  );
  return { header, values, buffers: buffers.map((text) => dataView(Buffer.from(text, "base64"))) };
}

/** The rules as Python sends them. */
export const { rules } = JSON.parse(
  readFileSync(new URL("frames/captions.json", import.meta.url), "utf8"),
);

export const frame = (name) => {
  const { header, buffers } = stored(name);
  return decodeFrame(header, buffers);
};

export const row = (name) => {
  const { header, buffers } = stored(name);
  return decodeRow(header, buffers);
};

/** The bytes at an odd offset of a larger buffer, as some hosts hand them out. */
export function dataView(bytes, offset = 1) {
  const larger = new Uint8Array(bytes.length + offset + 3).fill(170);
  larger.set(bytes, offset);
  return new DataView(larger.buffer, offset, bytes.length);
}

/** A frame of given weights, `(lane, query, key)`. */
export function frameOf(weights, { special = [], causal = false } = {}) {
  const [lanes, nQueries, nKeys] = [weights.length, weights[0].length, weights[0][0].length];
  const axis = (n, letter) => ({
    text: Array.from({ length: n }, (_, i) => `${letter}${i}`),
    special: Array.from({ length: n }, (_, i) => (special.includes(i) ? 1 : 0)),
    positions: Array.from({ length: n }, (_, i) => [i]),
    segment: Array(n).fill(0),
  });
  const data = Float32Array.from(weights.flat(2));
  const sums = weights.flatMap((lane) => lane.map((r) => r.reduce((a, b) => a + b, 0)));
  const plain = (name, shape, values) => ({
    name,
    shape,
    data: Float32Array.from(values),
    table: null,
    scale: 1,
  });
  return {
    view: "head",
    capture_id: 1,
    spec: {},
    queries: axis(nQueries, "q"),
    keys: axis(nKeys, "k"),
    lanes: Array.from({ length: lanes }, (_, head) => ({ head, name: `head ${head}` })),
    unit: "share",
    causal,
    layer_label: "layer 0",
    arrays: {
      weights: { name: "weights", shape: [lanes, nQueries, nKeys], data, table: null, scale: 1 },
      row_sum: plain("row_sum", [lanes, nQueries], sums),
    },
  };
}

/** A context that keeps every call, with the state it was made in. */
export function recorder() {
  const calls = [];
  const state = {
    globalAlpha: 1,
    lineWidth: 1,
    strokeStyle: "",
    fillStyle: "",
    font: "",
    textAlign: "left",
  };
  const keep =
    (name) =>
    (...args) => {
      calls.push({ name, args, ...state });
    };
  const methods = [
    "beginPath moveTo lineTo bezierCurveTo stroke fill fillRect strokeRect rect clip arc roundRect fillText",
    "save restore translate rotate setTransform clearRect drawImage",
  ];
  const ctx = { calls, measureText: (text) => ({ width: 6 * [...text].length }) };
  for (const name of methods.join(" ").split(" ")) ctx[name] = keep(name);
  for (const name of Object.keys(state)) {
    Object.defineProperty(ctx, name, {
      get: () => state[name],
      set(value) {
        state[name] = value;
      },
    });
  }
  ctx.named = (name) => calls.filter((call) => call.name === name);
  return ctx;
}

export const look = {
  dark: false,
  paper: "#ffffff",
  ink: "#1a1c1f",
  ink2: "#555a62",
  ink3: "#686d76",
  rule: "#e4e6e9",
  rule2: "#b9bdc4",
  fill: "#f2f3f5",
  accent: "#1f5fd0",
  hatch: "rgba(26,28,31,.13)",
  font: "sans-serif",
  ratio: 1,
};

export const close = (a, b, tolerance = 1e-6) => Math.abs(a - b) <= tolerance;
