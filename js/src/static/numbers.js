// The numbers of a static page: unpacked from bytes, hidden and merged as displayed. Twin of
// attn_widget/pages/coding.py and attn_widget/pictures/axes.py.

import { pooled as largestOfBlocks } from "../paint/pooling.js";
import { decodeArray } from "../wire/decode.js";

/** @typedef {import("../types.js").Axis} Axis */

/**
 * One matrix: codes of each key's queries, then the rows' sums, then which pairs are at their
 * bound.
 * @typedef {Object} Place
 * @property {string} attention
 * @property {string} method
 * @property {number} layer
 * @property {number | null} head
 * @property {number} at
 * @property {number} bits
 * @property {number} scale
 * @property {boolean} causal only the triangle is there
 * @property {boolean} saturated
 * @property {string} unit
 * @property {string} layer_label
 * @property {number | null} saturation
 * @property {string | null} divided_by
 */

/**
 * @typedef {Object} Stored
 * @property {Record<string, any>} state
 * @property {(Axis & { spans: any[] })[]} axes
 * @property {Record<string, boolean | string>} choices what of a spec changes the axes, with its
 *   default
 * @property {Record<string, { ways: Record<string, [number, number]>, size: [number, number], read:
 *   any, notes: Record<string, { model: string[], layers: string[][] }> }>} groups the axes of queries and keys for
 *   each choice, how many tokens they have, what the text view needs, and the notes of the caption
 *   by method: of the model view, and of each layer
 * @property {Place[]} places
 * @property {any} neuron
 * @property {any} image
 * @property {{ header: any, at: [number, number][] } | null} [shown] the frame that was on screen
 * @property {[number, number, number]} cells of a thumbnail, of a small one, and how many make them
 *   small
 */

/**
 * The JSON at the end of a page's bytes; before it stand the binary parts.
 * @param {Uint8Array} bytes
 * @returns {Stored}
 */
export function unpacked(bytes) {
  const end = bytes.length - 4;
  const length = new DataView(bytes.buffer, bytes.byteOffset).getUint32(end, true);
  return JSON.parse(new TextDecoder().decode(bytes.subarray(end - length, end)));
}

/** An array among the binary parts. @param {Uint8Array} bytes @param {any} entry */
export const arrayAt = (bytes, entry) =>
  decodeArray(entry, bytes.subarray(entry.at, entry.at + entry.size));

/**
 * One matrix as it is shown: keys of a row summed, queries averaged.
 * @param {Uint8Array} bytes
 * @param {Place} place
 * @param {[number, number]} size tokens on the query side, tokens on the key side
 * @param {Axis} queries
 * @param {Axis} keys
 */
export function shownOf(
  bytes,
  { at, bits, scale, causal, saturated },
  [nQueries, nKeys],
  queries,
  keys,
) {
  const top = 2 ** bits - 1;
  const table = Float64Array.from({ length: 256 }, (_, code) =>
    code > top ? NaN : scale * (code / top) ** 2,
  );
  const values = new Float64Array(nQueries * nKeys);
  for (let key = 0; key < nKeys; key++) {
    for (let query = causal ? key : 0; query < nQueries; query++) {
      values[query * nKeys + key] = table[bytes[at++]];
    }
  }
  const exact = new Float32Array(bytes.slice(at, at + 4 * nQueries).buffer);
  at += 4 * nQueries;
  const n = keys.text.length;
  const weights = new Float64Array(queries.text.length * n);
  const bound = new Uint8Array(saturated ? weights.length : 0).fill(1);
  const sums = new Float32Array(queries.text.length);
  const hidden = sums.slice();
  for (const [row, rowQueries] of queries.positions.entries()) {
    for (const query of rowQueries) {
      const start = query * nKeys;
      sums[row] += exact[query] / rowQueries.length;
      for (let key = 0; key < nKeys; key++) hidden[row] += values[start + key] / rowQueries.length;
      for (const [column, columnKeys] of keys.positions.entries()) {
        for (const key of columnKeys) {
          weights[row * n + column] += values[start + key] / rowQueries.length;
          if (saturated) bound[row * n + column] &= bytes[at + start + key];
        }
      }
    }
    for (let i = row * n; i < (row + 1) * n; i++) hidden[row] -= weights[i];
    hidden[row] = Math.max(0, hidden[row]);
  }
  return { weights, bound, sums, hidden };
}

/**
 * One thumbnail: the largest value of each block.
 * @param {Float64Array} weights
 * @param {number} nKeys
 * @param {[number, number]} pool queries and keys of a block
 * @returns {Float64Array}
 */
export function pooled(weights, nKeys, [poolQueries, poolKeys]) {
  const array = /** @type {any} */ ({ data: weights, table: null });
  const nQueries = weights.length / nKeys;
  const grid = largestOfBlocks(
    array,
    0,
    nQueries,
    nKeys,
    poolKeys,
    null,
    poolQueries,
    Float64Array, // a byte of the thumbnail must round as it does in Python
  );
  return /** @type {any} */ (grid.values);
}
