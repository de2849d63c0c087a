// Pins: traits hold token positions; a displayed row may have several positions. Pure.

/** @typedef {import("../../types.js").Axis} Axis */
/** @typedef {import("../../types.js").Side} Side */
/** @typedef {import("../../view-types.js").Target} Target */
/** @typedef {import("../../types.js").Traits} Traits */

/**
 * The displayed rows that have any of these token positions.
 * @param {Axis} axis
 * @param {number[]} positions
 */
export function rowsOf(axis, positions) {
  if (!positions.length) return [];
  const wanted = new Set(positions);
  const rows = [];
  for (let i = 0; i < axis.positions.length; i++) {
    if (axis.positions[i].some((position) => wanted.has(position))) rows.push(i);
  }
  return rows;
}

/**
 * What the traits `query` and `key` become when a target is clicked.
 *
 * A click pins the target alone; on what is pinned alone it releases; with `several`, it adds or
 * takes away.
 * @param {Target} target
 * @param {boolean} several
 * @param {Axis} queries
 * @param {Axis} keys
 * @param {Pick<Traits, "query" | "key">} pins
 * @returns {Pick<Traits, "query" | "key">}
 */
export function pinned(target, several, queries, keys, pins) {
  if ("side" in target) {
    const axis = target.side === "query" ? queries : keys;
    const other = target.side === "query" ? "key" : "query";
    const positions = axis.positions[target.index];
    const now = pins[target.side];
    const isIn = positions.some((position) => now.includes(position));
    const rest = now.filter((position) => !positions.includes(position));
    if (several) {
      const next = isIn ? rest : [...rest, ...positions];
      return /** @type {any} */ ({ [target.side]: sorted(next), [other]: pins[other] });
    }
    const alone = isIn && !rest.length && !pins[other].length;
    return /** @type {any} */ ({ [target.side]: alone ? [] : [...positions], [other]: [] });
  }
  if (!("query" in target)) return { query: pins.query, key: pins.key };
  const query = queries.positions[target.query];
  const key = keys.positions[target.key];
  if (several) {
    const isIn = query.some((position) => pins.query.includes(position));
    const rest = pins.query.filter((position) => !query.includes(position));
    return { query: isIn ? rest : sorted([...rest, ...query]), key: [...key] };
  }
  const same = equal(pins.query, query) && equal(pins.key, key);
  return same ? { query: [], key: [] } : { query: [...query], key: [...key] };
}

/**
 * The pins after an arrow key: the side that is pinned moves by `step` rows, the first row where
 * nothing is.
 * @param {Side} side
 * @param {number} step
 * @param {Axis} axis
 * @param {number[]} positions the pins of that side
 */
export function moved(side, step, axis, positions) {
  const n = axis.positions.length;
  if (!n) return [];
  const rows = rowsOf(axis, positions);
  const from = rows.length ? rows[step > 0 ? rows.length - 1 : 0] : step > 0 ? -1 : n;
  const to = Math.max(0, Math.min(n - 1, from + step));
  return [...axis.positions[to]];
}

/** @param {number[]} positions */
const sorted = (positions) => [...new Set(positions)].sort((a, b) => a - b);

/** @param {number[]} a @param {number[]} b */
const equal = (a, b) => a.length === b.length && a.every((x, i) => x === b[i]);

/**
 * The rows of one side that the picture shows, and perhaps one pair. A hover replaces the pins
 * while it lasts.
 * @typedef {Object} Focus
 * @property {Side} side
 * @property {number[]} rows displayed rows of that side
 * @property {boolean} pinned
 * @property {{ query: number, key: number, lane?: number, span?: number, value?: number } | null}
 *   pair
 */

/**
 * @param {Axis} queries
 * @param {Axis} keys
 * @param {Pick<Traits, "query" | "key">} pins
 * @param {Target | null} hover
 * @returns {Focus | null}
 */
export function focusOf(queries, keys, pins, hover) {
  if (hover && "side" in hover)
    return { side: hover.side, rows: [hover.index], pinned: false, pair: null };
  const query = rowsOf(queries, pins.query);
  const key = rowsOf(keys, pins.key);
  const pair =
    hover && "query" in hover
      ? hover
      : query.length === 1 && key.length === 1
        ? { query: query[0], key: key[0] }
        : null;
  if (query.length) return { side: "query", rows: query, pinned: true, pair };
  if (key.length) return { side: "key", rows: key, pinned: true, pair };
  return pair ? { side: "query", rows: [pair.query], pinned: false, pair } : null;
}
