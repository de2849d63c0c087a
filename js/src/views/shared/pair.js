// The number that is read of one row or column: a chosen pair, else the strongest away from special
// tokens. Pure.
import { rowValues } from "./edges.js";

/** @typedef {import("../../types.js").Side} Side */

/**
 * @param {Pick<import("../../view-types.js").Scene, "exact">} scene
 * @param {import("../../types.js").Frame} frame
 * @param {import("./selection.js").Focus} focus
 * @returns {{ side: Side, row: number, other: number, query: number, key: number, value: number,
 *   exact: boolean,
 *   values: ReturnType<typeof rowValues> } | null}
 */
export function pairOf(scene, frame, focus) {
  const side = focus.pair ? "query" : focus.side;
  const row = focus.pair ? focus.pair.query : focus.rows[0];
  const values = rowValues(frame, side, row, scene.exact(side, row));
  const { special } = side === "query" ? frame.keys : frame.queries;
  let other = focus.pair ? focus.pair.key : -1;
  for (let i = 0; !focus.pair && i < values.n; i++) {
    // never a NaN
    if (!special[i] && values.at(0, i) > (other < 0 ? -1 : values.at(0, other))) other = i;
  }
  if (!values.n) return null;
  if (other < 0) other = 0;
  const [query, key] = side === "query" ? [row, other] : [other, row];
  return { side, row, other, query, key, value: values.at(0, other), exact: values.exact, values };
}

/**
 * Where the largest values are, largest first. One pass: a sort of thousands takes longer than a
 * frame has.
 * @param {number} n
 * @param {number} count
 * @param {(i: number) => number} at NaN or below 0 = not to be listed
 */
export function largest(n, count, at) {
  /** @type {{ i: number, value: number }[]} */
  const best = [];
  for (let i = 0; i < n; i++) {
    const value = at(i);
    if (!(value >= 0) || (best.length === count && value <= best[count - 1].value)) continue;
    let place = best.length;
    while (place && best[place - 1].value < value) place--;
    best.splice(place, 0, { i, value });
    best.length = Math.min(best.length, count);
  }
  return best.map(({ i }) => i);
}
