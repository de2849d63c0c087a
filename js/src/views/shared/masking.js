// What a causal model cannot see. Pure.

/**
 * Displayed tokens per cell that was sent, queries and keys.
 * @param {import("../../types.js").Frame} frame
 * @returns {[number, number]}
 */
export function poolOf({ pool = 1 }) {
  return typeof pool === "number" ? [pool, pool] : pool;
}

/**
 * Which cells lie wholly ahead of their queries; null where the model may look everywhere.
 * @param {import("../../types.js").Frame} frame
 * @param {[number, number]} [pools] displayed queries and keys per cell
 * @returns {((row: number, column: number) => boolean) | null}
 */
export function maskOf(frame, [poolQueries, poolKeys] = poolOf(frame)) {
  if (!frame.causal) return null;
  const last = frame.queries.positions.map((positions) => positions[positions.length - 1]);
  const first = frame.keys.positions.map((positions) => positions[0]);
  return (row, column) =>
    first[column * poolKeys] > last[Math.min(last.length, (row + 1) * poolQueries) - 1];
}
