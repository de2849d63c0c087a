// Token search: which displayed rows contain what was typed? Pure.

import { isSelf } from "./text-spans.js";

/** @typedef {import("../../types.js").Axis} Axis */

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

/**
 * The rows with a token that contains the text, as targets: queries first, keys where they are other tokens.
 * @param {import("../../types.js").Frame} frame
 * @param {string} text
 * @returns {{ side: import("../../types.js").Side, index: number }[]}
 */
export function matchesOf(frame, text) {
  const of = (/** @type {import("../../types.js").Side} */ side, /** @type {Axis} */ axis) =>
    [...found(axis, text)].map((index) => ({ side, index }));
  return [...of("query", frame.queries), ...(isSelf(frame) ? [] : of("key", frame.keys))];
}

/**
 * The match after the one that is lit, or before it; round the end.
 * @param {import("../../types.js").Frame} frame
 * @param {string} text
 * @param {import("../../types.js").Target | null} lit
 * @param {number} step 1 or -1
 */
export function nextMatch(frame, text, lit, step) {
  const matches = matchesOf(frame, text);
  const at = placeOf(matches, lit);
  const next =
    at < 0 && step < 0 ? matches.length - 1 : (at + step + matches.length) % matches.length;
  return matches[next] ?? null;
}

/** @param {ReturnType<typeof matchesOf>} matches @param {import("../../types.js").Target | null} lit */
export const placeOf = (matches, lit) =>
  lit && "side" in lit
    ? matches.findIndex(({ side, index }) => side === lit.side && index === lit.index)
    : -1;
