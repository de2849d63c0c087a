// Token search: which displayed rows contain what was typed? Pure.

/** @typedef {import("./types.js").Axis} Axis */

/**
 * @param {Axis} axis
 * @param {string} text case does not matter; "" finds nothing
 * @returns {Set<number>}
 */
export function found(axis, text) {
  const needle = text.trim().toLocaleLowerCase();
  const rows = new Set();
  if (!needle) return rows;
  for (const [i, token] of axis.text.entries()) {
    if (token.toLocaleLowerCase().includes(needle)) rows.add(i);
  }
  return rows;
}
