// Token search: the displayed rows whose token contains the text. Pure.

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
 * The rows with a token that contains the text, as targets: queries first, keys where they are
 * other tokens.
 * @param {import("../../types.js").Frame} frame
 * @param {string} text
 * @returns {{ side: import("../../types.js").Side, index: number }[]}
 */
export function matchesOf(frame, text) {
  const onSide = (/** @type {import("../../types.js").Side} */ side, /** @type {Axis} */ axis) =>
    [...found(axis, text)].map((index) => ({ side, index }));
  return [...onSide("query", frame.queries), ...(isSelf(frame) ? [] : onSide("key", frame.keys))];
}

/**
 * The match after the current one, or before it; after the last comes the first.
 * @param {import("../../types.js").Frame} frame
 * @param {string} text
 * @param {import("../../view-types.js").Target | null} current
 * @param {1 | -1} direction
 */
export function nextMatch(frame, text, current, direction) {
  const matches = matchesOf(frame, text);
  const at = placeOf(matches, current);
  const next =
    at < 0 && direction < 0
      ? matches.length - 1
      : (at + direction + matches.length) % matches.length;
  return matches[next] ?? null;
}

/**
 * @param {ReturnType<typeof matchesOf>} matches
 * @param {import("../../view-types.js").Target | null} current
 */
export const placeOf = (matches, current) =>
  current && "side" in current
    ? matches.findIndex(({ side, index }) => side === current.side && index === current.index)
    : -1;
