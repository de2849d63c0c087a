// Coarser cells: the largest value of each block. Pure.
import { valueAt } from "../wire/decode.js";

/**
 * A grid of drawn cells.
 * @typedef {Object} Grid
 * @property {number} rows
 * @property {number} columns
 * @property {Float32Array} values row after row; NaN where a value of the block is not a number
 * @property {Uint8Array | null} masked 1 where no query of the block can attend to a key of it
 */

/**
 * The largest value of each block of `rowPool × pool` values. The largest and not the mean, so that
 * one strong link stays visible; NaN is kept for the same reason.
 * @param {import("../types.js").FrameArray} weights
 * @param {number} start flat index of the first value
 * @param {number} nRows
 * @param {number} nColumns
 * @param {number} pool
 * @param {((row: number, column: number) => boolean) | null} isMasked
 * @param {number} [rowPool] where blocks are not square
 * @param {any} [Values] the kind of array that the largest values are returned in
 * @returns {Grid}
 */
export function pooled(
  weights,
  start,
  nRows,
  nColumns,
  pool,
  isMasked,
  rowPool = pool,
  Values = Float32Array,
) {
  const rows = Math.ceil(nRows / rowPool);
  const columns = Math.ceil(nColumns / pool);
  const values = new Values(rows * columns).fill(-1);
  const masked = isMasked ? new Uint8Array(rows * columns).fill(1) : null;
  for (let row = 0; row < nRows; row++) {
    const cells = Math.floor(row / rowPool) * columns;
    for (let column = 0; column < nColumns; column++) {
      const i = cells + Math.floor(column / pool);
      if (masked && isMasked?.(row, column)) continue;
      if (masked) masked[i] = 0;
      const value = valueAt(weights, start + row * nColumns + column);
      if (value > values[i] || Number.isNaN(value)) values[i] = value;
    }
  }
  return { rows, columns, values, masked };
}
