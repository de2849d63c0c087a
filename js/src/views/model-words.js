// What the model view says. Pure.
import { strongestOfTile } from "../draw/thumbs.js";
import { many } from "../format.js";
import { poolOf } from "../masking.js";
import { pairOf } from "../pair.js";
import { focusOf } from "../selection.js";
import { legendOf } from "./matrix-words.js";

/** @typedef {import("../types.js").Scene} Scene */
/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("../types.js").Reading} Reading */

/**
 * @param {Scene} scene
 * @param {{ joint: boolean, detail: Frame | null, sorted: boolean }} given
 * @returns {import("../types.js").Said}
 */
export function describeModel(scene, { joint, detail, sorted }) {
  const { frame, traits, look, hover } = scene;
  const tiles = frame.tiles ?? [];
  const on = hover && "layer" in hover ? hover : { layer: traits.layer, head: joint ? null : traits.head };
  const [pq, pk] = poolOf(frame);
  const what = many(tiles.length, joint ? "layer" : "head");
  const cells =
    pq * pk > 1
      ? `each cell the largest of ${pq} × ${pk} pairs`
      : `every cell drawn, nothing pooled at ${many(frame.keys.text.length, "token")}`;
  const caption = [`${what} · ${cells}${sorted ? ` · sorted by ${frame.metric?.name}` : ""}`];
  if (tiles.some(({ exact }) => !exact))
    caption.push("hatched: upper bounds, the exact values would take too long here");
  return {
    reading: (detail && detailReading(scene, detail, on)) || tileReading(scene, on, joint),
    caption,
    saturation: tiles.find(({ layer, head }) => layer === on.layer && head === on.head)?.saturation,
    mass: null,
    legend: legendOf(frame.unit, frame.arrays.tiles.scale, frame.unit !== "flow", look.dark, false),
    label: `${traits.method}, ${what} as small heat maps; layer ${on.layer}${joint ? "" : `, head ${on.head}`} is chosen`,
  };
}

/**
 * The chosen head's strongest pair, or the token of the detail that is hovered.
 * @param {Scene} scene @param {Frame} detail @param {{ layer: number, head: number | null }} on @returns {Reading | null}
 */
function detailReading(scene, detail, on) {
  const { hover, traits } = scene;
  if (on.layer !== traits.layer || on.head !== traits.head) return null;
  const target = hover && !("layer" in hover) ? hover : null;
  const focus = focusOf(detail.queries, detail.keys, traits, target) ?? strongestFocus(scene);
  const pair = focus && pairOf(scene, detail, focus);
  if (!pair) return null;
  return {
    title: `layer ${on.layer} · head ${on.head}`,
    queries: [detail.queries.text[pair.query]],
    keys: [detail.keys.text[pair.key]],
    where: focus.pinned || target ? "" : "strongest away from special tokens:",
    head: null,
    value: pair.value,
    exact: pair.exact,
    unit: detail.unit,
    needs: [{ side: pair.side, index: pair.row }],
    notes: [],
  };
}

/** The row of the chosen thumbnail's strongest cell. @param {Scene} scene @returns {import("../selection.js").Focus | null} */
function strongestFocus({ frame, traits }) {
  const tile = (frame.tiles ?? []).findIndex(
    ({ layer, head }) => layer === traits.layer && head === traits.head,
  );
  const best = tile < 0 ? null : strongestOfTile(frame, tile);
  return best && { side: "query", rows: [best.query], pinned: false, pair: null };
}

/**
 * A thumbnail: its strongest cell, as it was drawn.
 * @param {Scene} scene @param {{ layer: number, head: number | null }} on @param {boolean} joint @returns {Reading | null}
 */
function tileReading({ frame, traits }, on, joint) {
  const tile = (frame.tiles ?? []).findIndex(({ layer, head }) => layer === on.layer && head === on.head);
  const best = tile < 0 ? null : strongestOfTile(frame, tile);
  if (!best) return null;
  const [pq, pk] = poolOf(frame);
  const span = (/** @type {string[]} */ text, /** @type {number} */ at, /** @type {number} */ n) =>
    [...new Set([text[at], text[Math.min(text.length, at + n) - 1]])].join(" … ");
  const metric = frame.arrays.metric?.data[tile];
  return {
    title: joint
      ? `${traits.method}, ${on.layer ? `layers 0–${on.layer}` : "layer 0"}`
      : `layer ${on.layer} · head ${on.head}`,
    queries: [span(frame.queries.text, best.query, pq)],
    keys: [span(frame.keys.text, best.key, pk)],
    where: "strongest away from special tokens:",
    head: null,
    value: best.value,
    exact: false,
    unit: frame.unit,
    notes: metric === undefined || !frame.metric ? [] : [`${frame.metric.name} ${metric.toFixed(3)}`],
  };
}
