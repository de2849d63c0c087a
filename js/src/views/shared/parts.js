// The cells on screen where the matrix came coarser than the screen shows it: from a finer part as
// far as that reaches, from the coarse cells beyond. Pure.
import { maskOf, poolOf } from "./masking.js";
import { valueAt } from "../../wire/decode.js";

/** @typedef {import("../../types.js").Frame} Frame */
/** @typedef {import("../../types.js").Part} Part */
/** @typedef {{ query: number, key: number, span?: number, value?: number }} Pair */

/**
 * The value of the finest cell that holds a pair, `span` tokens wide.
 * @param {Frame} frame
 * @param {Part | null} part
 * @param {number} query
 * @param {number} key
 */
function finestCell(frame, part, query, key) {
  const held =
    part &&
    query >= part.rows[0] &&
    query < part.rows[1] &&
    key >= part.columns[0] &&
    key < part.columns[1];
  const span = held ? part.pool : poolOf(frame)[0];
  const [row, column] = held ? [query - part.rows[0], key - part.columns[0]] : [query, key];
  const { weights } = (held ? part : frame).arrays;
  const across = weights.shape[weights.shape.length - 1];
  return {
    span,
    value: valueAt(weights, Math.floor(row / span) * across + Math.floor(column / span)),
  };
}

/**
 * @param {Frame} frame
 * @param {Part | null} part
 * @param {number} pool
 * @param {number} row the first cell on screen
 * @param {number} column
 * @param {number} rows cells on screen
 * @param {number} columns
 * @returns {import("../../paint/pooling.js").Grid}
 */
export function visibleGrid(frame, part, pool, row, column, rows, columns) {
  const isMasked = maskOf(frame, [pool, pool]);
  const values = new Float32Array(rows * columns);
  const masked = isMasked && new Uint8Array(rows * columns);
  for (let r = 0, i = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++, i++) {
      if (masked && isMasked?.(row + r, column + c)) masked[i] = 1;
      else values[i] = finestCell(frame, part, (row + r) * pool, (column + c) * pool).value;
    }
  }
  return { rows, columns, values, masked };
}

/**
 * The strongest pair of a block, or the strongest cell of it where single pairs are not known: then
 * with its span. None where the model cannot look.
 * @param {Frame} frame
 * @param {Part | null} part
 * @param {number} pool tokens per side of the block
 * @param {number} row the block's place
 * @param {number} column
 * @param {number} [rowPool] where blocks are not square
 * @returns {Pair | null}
 */
export function strongestIn(frame, part, pool, row, column, rowPool = pool) {
  const isMasked = maskOf(frame, [1, 1]);
  /** @type {Pair | null} */
  let best = null;
  const nearest = (/** @type {number} */ at, /** @type {number} */ span) =>
    Math.floor(at / span) * span;
  const [lastQuery, lastKey] = [
    Math.min(frame.queries.text.length, (row + 1) * rowPool),
    Math.min(frame.keys.text.length, (column + 1) * pool),
  ];
  for (let query = row * rowPool; query < lastQuery; query++) {
    for (let key = column * pool; key < lastKey; key++) {
      if (isMasked?.(query, key)) continue;
      const { span, value } = finestCell(frame, part, query, key);
      if (best && !(value > (best.value ?? 0))) continue;
      best =
        span > 1
          ? { query: nearest(query, span), key: nearest(key, span), span, value }
          : { query, key, value };
    }
  }
  return best;
}
