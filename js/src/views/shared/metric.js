// A head metric: the order of the model view's thumbnails, which of them are shown, and their colours. Pure.
import { scaleTable } from "../../paint/palettes.js";

const FEW = 12;
const MANY = 48;
const MOST = 200; // more thumbnails in a row after row are no overview

/**
 * @typedef {Object} Scores
 * @property {string} name
 * @property {(layer: number, head: number | null) => number} of NaN where there is none
 * @property {number} low the colours' range
 * @property {number} high
 */

/**
 * The metric as numbers; null where none was given for this attention, or heads are joined.
 * @param {import("../../types.js").Traits["metric"]} metric
 * @param {string} attention
 * @param {boolean} joint
 * @returns {Scores | null}
 */
export function scoresOf(metric, attention, joint) {
  if (joint || !("values" in metric) || metric.attention !== attention) return null;
  const { name, values } = metric;
  const known = values.flat().filter((value) => value !== null);
  const [low, high] = [Math.min(0, ...known), Math.max(0, ...known)];
  const end = Math.max(high, -low) || 1;
  return {
    name: name.replaceAll("_", " "),
    of: (layer, head) => values[layer]?.[head ?? 0] ?? NaN,
    low: low < 0 ? -end : 0,
    high: end,
  };
}

/** How thumbnails can be ordered; `top` of a choice: how many are shown, 0 for the grid. @param {string} name @param {number} count */
export function ordersOf(name, count) {
  const tops = [FEW, MANY].filter((top) => top < count);
  return [
    { text: "by number", top: 0, sorted: false },
    { text: `rows and columns by ${name}`, top: 0, sorted: true },
    ...tops.map((top) => ({ text: `top ${top} by ${name}`, top, sorted: true })),
    ...(count <= MOST ? [{ text: `all by ${name}`, top: count, sorted: true }] : []),
  ];
}

/**
 * The tiles with the largest numbers, largest first; those without a number last.
 * @param {{ layer: number, head: number | null }[]} tiles
 * @param {Scores} scores
 * @param {number} top
 */
export function ranked(tiles, scores, top) {
  const value = (/** @type {number} */ i) => {
    const found = scores.of(tiles[i].layer, tiles[i].head);
    return Number.isNaN(found) ? -Infinity : found;
  };
  const order = tiles.map((_, i) => i);
  return order
    .sort((a, b) => (value(b) === value(a) ? a - b : value(b) > value(a) ? 1 : -1))
    .slice(0, top);
}

/** Diverging where numbers below 0 are among them. @param {Scores} scores @param {boolean} dark */
const tableOf = ({ low }, dark) => scaleTable(low < 0 ? "diverging" : "sequential", dark);

/** The index of a value in the table of 256 colours. @param {Scores} scores @param {number} value */
const step = ({ low, high }, value) => Math.round(((value - low) / (high - low)) * 255);

/** @param {Scores} scores @param {number} value @param {boolean} dark */
export function colourOf(scores, value, dark) {
  const at = step(scores, value);
  return { fill: tableOf(scores, dark).css[at], bytes: tableOf(scores, dark).bytes[at] };
}

/** @param {Scores} scores @param {boolean} dark @returns {import("../../view-types.js").Legend} */
export function legendOfScores(scores, dark) {
  const mark = (/** @type {number} */ value) => String(Number(value.toPrecision(2)));
  const { low, high, name } = scores;
  return {
    name,
    marks: [mark(low), mark((low + high) / 2), mark(high)],
    stops: Array.from(
      { length: 17 },
      (_, i) => tableOf(scores, dark).css[Math.round((i / 16) * 255)],
    ),
    canRoot: false,
  };
}
