// Which lines are drawn, and what that leaves out. Pure.
import drawing from "../../../../attn_widget/pictures/drawing.json" with { type: "json" };
import { poolOf } from "./masking.js";
import { valueAt } from "../../wire/decode.js";

/** @typedef {import("../../types.js").Frame} Frame */
/** @typedef {import("../../types.js").Row} Row */

// Up to so many tokens, every pair at or above the threshold is a line; above, so many per row and so many in all.
const { all_pairs_up_to, most, most_per_row, rows: ROWS } = drawing.lines;

/**
 * Lines in the order in which they are drawn: weakest first.
 * @typedef {Object} Edges
 * @property {number} length
 * @property {Uint8Array} lane index into the frame's lanes
 * @property {Uint32Array} query
 * @property {Uint32Array} key
 * @property {Float32Array} weight
 * @property {number} mass what the lines carry together
 * @property {number | null} perRow lines per row and lane at most; null where all are there
 * @property {number | null} rest what the pairs without a line carry; null where the frame does not hold them
 */

/**
 * All lines of a frame: all pairs to 64 tokens, then the strongest of each row within the budget.
 * @param {Frame} frame
 * @param {number[]} lanes indices of the lanes that are on
 * @param {number} threshold
 * @returns {Edges}
 */
export function edgesOf(frame, lanes, threshold) {
  const nQueries = frame.queries.text.length;
  const nKeys = frame.keys.text.length;
  const whole = frame.arrays.weights;
  const every = whole && Math.max(nQueries, nKeys) <= all_pairs_up_to;
  // In a scroll window only a part is drawn at once, so the budget is not spread over rows out of sight.
  const rows = Math.min(nQueries, ROWS) * Math.max(1, lanes.length);
  const held = whole ? nKeys : (frame.arrays.edges_key?.shape[2] ?? nKeys);
  const perRow = every ? null : Math.max(1, Math.min(most_per_row, held, Math.floor(most / rows)));
  /** @type {[number, number, number, number][]} weight, lane, query, key */
  const found = [];
  let carried = 0;
  for (const lane of lanes) {
    for (let query = 0; query < nQueries; query++) {
      if (whole)
        carried += strongest(whole, lane, query, nQueries, nKeys, threshold, perRow, found);
      else listed(frame, lane, query, nQueries, threshold, perRow ?? most_per_row, found);
    }
  }
  return packed(found, perRow, whole ? carried : null);
}

/**
 * The lines of one row or column, complete where its exact numbers have come.
 * @param {Frame} frame
 * @param {number[]} lanes
 * @param {number} threshold
 * @param {"query" | "key"} side
 * @param {number} index
 * @param {Row | null} exact
 * @returns {Edges}
 */
export function edgesOfRow(frame, lanes, threshold, side, index, exact) {
  // Lines are chosen by the numbers that came with the frame, here as in Python; only where it holds no more than the
  // strongest keys of each row does the exact row complete them.
  const values = rowValues(frame, side, index, frame.arrays.weights ? null : exact);
  /** @type {[number, number, number, number][]} */
  const found = [];
  let carried = 0;
  for (const lane of lanes) {
    for (let other = 0; other < values.n; other++) {
      const weight = values.at(lane, other);
      carried += weight || 0;
      if (!(weight >= threshold && weight > 0)) continue; // nor what is not a number
      found.push(side === "query" ? [weight, lane, index, other] : [weight, lane, other, index]);
    }
  }
  return packed(found, null, frame.arrays.weights || exact ? carried : null);
}

/**
 * The lines of a picture: of the rows that it is about, else of all.
 * @param {Frame} frame
 * @param {number[]} lanes
 * @param {number} threshold
 * @param {import("./selection.js").Focus | null} focus
 * @param {(side: "query" | "key", index: number) => Row | null} exact
 * @returns {Edges}
 */
export function drawnEdges(frame, lanes, threshold, focus, exact) {
  if (!focus) return edgesOf(frame, lanes, threshold);
  const { side, rows } = focus;
  const parts = rows.map((row) => edgesOfRow(frame, lanes, threshold, side, row, exact(side, row)));
  /** @param {Edges} part @returns {[number, number, number, number][]} */
  const listOf = ({ weight, lane, query, key }) =>
    Array.from(weight, (w, i) => [w, lane[i], query[i], key[i]]);
  if (parts.length === 1) return parts[0];
  const whole = packed(parts.flatMap(listOf), null, null);
  const isKnown = parts.every(({ rest }) => rest !== null);
  return isKnown
    ? { ...whole, rest: parts.reduce((sum, { rest }) => sum + (rest ?? 0), 0) }
    : whole;
}

/** The lanes that are drawn; one that joins the heads always is. @param {Frame} frame @param {number[]} heads */
export function lanesOn(frame, heads) {
  const on = new Set(heads);
  return frame.lanes.flatMap(({ head }, i) => (head === null || on.has(head) ? [i] : []));
}

/**
 * The numbers of one row or column: exact where they have come, else what the picture was drawn from.
 * @param {Frame} frame
 * @param {"query" | "key"} side
 * @param {number} index
 * @param {Row | null} exact
 * @returns {{ n: number, at: (lane: number, other: number) => number, exact: boolean }}
 */
export function rowValues(frame, side, index, exact) {
  const nQueries = frame.queries.text.length;
  const nKeys = frame.keys.text.length;
  const n = side === "query" ? nKeys : nQueries;
  if (exact) return { n, at: (lane, other) => exact.values[lane * exact.n + other], exact: true };
  const whole = frame.arrays.weights;
  if (whole) {
    const [poolQueries, poolKeys] = poolOf(frame);
    const [rows, columns] = [Math.ceil(nQueries / poolQueries), Math.ceil(nKeys / poolKeys)];
    const flat = (
      /** @type {number} */ lane,
      /** @type {number} */ query,
      /** @type {number} */ key,
    ) => (lane * rows + Math.floor(query / poolQueries)) * columns + Math.floor(key / poolKeys);
    const at = (/** @type {number} */ lane, /** @type {number} */ other) =>
      valueAt(whole, side === "query" ? flat(lane, index, other) : flat(lane, other, index));
    return { n, at, exact: false };
  }
  const sparse = sparseRow(frame, side, index, n);
  return { n, at: (lane, other) => sparse[lane * n + other], exact: false };
}

/** @param {Frame} frame @param {"query" | "key"} side @param {number} index @param {number} n */
function sparseRow(frame, side, index, n) {
  const { edges_key: keys, edges_weight: weights } = frame.arrays;
  const values = new Float32Array(frame.lanes.length * n);
  if (!keys || !weights) return values;
  const [nLanes, nQueries, k] = keys.shape;
  for (let lane = 0; lane < nLanes; lane++) {
    const [from, to] = side === "query" ? [index, index + 1] : [0, nQueries];
    for (let query = from; query < to; query++) {
      for (let slot = 0; slot < k; slot++) {
        const i = (lane * nQueries + query) * k + slot;
        if (side === "query") values[lane * n + keys.data[i]] = valueAt(weights, i);
        else if (keys.data[i] === index) values[lane * n + query] = valueAt(weights, i);
      }
    }
  }
  return values;
}

/**
 * Adds the strongest lines of one row to those found.
 * @param {import("../../types.js").FrameArray} weights
 * @param {number} lane @param {number} query @param {number} nQueries @param {number} nKeys
 * @param {number} threshold @param {number | null} perRow
 * @param {[number, number, number, number][]} found
 * @returns {number} the sum of all weights of the row
 */
function strongest(weights, lane, query, nQueries, nKeys, threshold, perRow, found) {
  const start = (lane * nQueries + query) * nKeys;
  const first = found.length;
  let carried = 0;
  for (let key = 0; key < nKeys; key++) {
    const weight = valueAt(weights, start + key);
    carried += weight || 0;
    if (weight >= threshold && weight > 0) found.push([weight, lane, query, key]);
  }
  if (perRow === null || found.length - first <= perRow) return carried;
  const row = found.splice(first).sort((a, b) => b[0] - a[0]);
  found.push(...row.slice(0, perRow));
  return carried;
}

/**
 * @param {Frame} frame @param {number} lane @param {number} query @param {number} nQueries
 * @param {number} threshold @param {number} perRow
 * @param {[number, number, number, number][]} found
 */
function listed(frame, lane, query, nQueries, threshold, perRow, found) {
  const { edges_key: keys, edges_weight: weights } = frame.arrays;
  if (!keys || !weights) return;
  const k = keys.shape[2];
  for (let slot = 0; slot < Math.min(k, perRow); slot++) {
    const i = (lane * nQueries + query) * k + slot;
    const weight = valueAt(weights, i);
    if (weight >= threshold && weight > 0) found.push([weight, lane, query, keys.data[i]]);
  }
}

/** @param {[number, number, number, number][]} found @param {number | null} perRow @param {number | null} carried by all pairs @returns {Edges} */
function packed(found, perRow, carried) {
  found.sort((a, b) => a[0] - b[0]);
  const length = found.length;
  const edges = {
    length,
    lane: new Uint8Array(length),
    query: new Uint32Array(length),
    key: new Uint32Array(length),
    weight: new Float32Array(length),
    mass: 0,
    perRow,
    rest: carried,
  };
  for (const [i, [weight, lane, query, key]] of found.entries()) {
    edges.weight[i] = weight;
    edges.lane[i] = lane;
    edges.query[i] = query;
    edges.key[i] = key;
    edges.mass += weight;
  }
  // The sum of what is left out, not what the sum of the lines leaves: small weights are rounded less.
  if (edges.rest !== null) edges.rest -= edges.mass;
  return edges;
}

/**
 * The lines of the queries in the window, the strongest where the budget is passed. Lines of queries out of
 * sight are left to hovering a key: thousands of them end in the first token and would cover all others.
 * @param {Edges} edges
 * @param {[number, number]} queries
 * @returns {{ indices: Uint32Array, dropped: number }} weakest first
 */
export function inWindow(edges, queries) {
  const kept = [];
  for (let i = 0; i < edges.length; i++) {
    if (edges.query[i] >= queries[0] && edges.query[i] < queries[1]) kept.push(i);
  }
  const dropped = Math.max(0, kept.length - most);
  return { indices: Uint32Array.from(dropped ? kept.slice(dropped) : kept), dropped };
}
