// Regions of a matrix that came pooled: what to request, and whether a reply has it. Pure.

/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("../types.js").Wanted} Wanted */

const MOST_CELLS = 2 ** 22; // of one reply

/**
 * Does a part hold every cell of this region?
 * @param {Wanted | null} part
 * @param {Wanted} region
 */
export const covers = (part, { pool, rows, columns }) =>
  part?.pool === pool &&
  part.rows[0] <= rows[0] &&
  part.rows[1] >= rows[1] &&
  part.columns[0] <= columns[0] &&
  part.columns[1] >= columns[1];

/**
 * The displayed rows and columns under these cells, with a margin so that a small move needs no new
 * request.
 * @param {Frame} frame
 * @param {number} pool displayed tokens per cell side
 * @param {{ row: number, column: number, rows: number, columns: number }} cells
 * @param {number} [margin] cells around them; left out where the reply would be too large
 * @returns {Wanted}
 */
export function regionOf(frame, pool, cells, margin = 0) {
  const span = (/** @type {number} */ first, /** @type {number} */ n, /** @type {number} */ all) =>
    /** @type {[number, number]} */ ([
      Math.max(0, first - margin) * pool,
      Math.min(all, (first + n + margin) * pool),
    ]);
  const rows = span(cells.row, cells.rows, frame.queries.text.length);
  const columns = span(cells.column, cells.columns, frame.keys.text.length);
  const tokenPairs = (rows[1] - rows[0] + pool) * (columns[1] - columns[0] + pool);
  if (margin && tokenPairs > MOST_CELLS * pool ** 2) return regionOf(frame, pool, cells);
  return { pool, rows, columns };
}
