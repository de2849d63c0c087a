// What the model view says. Pure.
import { strongestOfTile } from "./thumbs.js";
import { count, fixed, many } from "../../format.js";
import { sentence } from "../../sentences.js";
import { hiddenWords } from "../shared/hidden.js";
import { legendOfScores } from "../shared/metric.js";
import { poolOf } from "../shared/masking.js";
import { pairOf } from "../shared/pair.js";
import { focusOf } from "../shared/selection.js";
import { legendOf } from "../matrix/words.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../types.js").Frame} Frame */
/** @typedef {import("../../view-types.js").Reading} Reading */

/**
 * @param {Scene} scene
 * @param {{ joint: boolean, detail: Frame | null, order: { text: string, top: number, sorted: boolean },
 *   scores: import("../shared/metric.js").Scores | null, asNumbers: boolean }} given
 * @returns {import("../../view-types.js").Said}
 */
export function describeModel(scene, { joint, detail, order, scores, asNumbers }) {
  const { frame, traits, look, hover } = scene;
  const tiles = frame.tiles ?? [];
  // The pointer may still rest on what another method drew there.
  const isThere = tiles.some(
    ({ layer, head }) => hover && "layer" in hover && hover.layer === layer && hover.head === head,
  );
  const chosen = { layer: traits.layer, head: joint ? null : traits.head };
  const on = isThere ? /** @type {{ layer: number, head: number | null }} */ (hover) : chosen;
  const [pq, pk] = poolOf(frame);
  const maps = many(tiles.length, joint ? "layer" : "head");
  const [rows, columns] = [frame.queries.text.length, frame.keys.text.length].map(count);
  const caption = [
    asNumbers && scores
      ? sentence("coloured_maps", { maps, metric: scores.name })
      : pq * pk > 1
        ? sentence("pooled_maps", { maps, a: pq, b: pk })
        : sentence("maps", { maps, rows, columns }),
  ];
  if (scores && order.sorted)
    caption.push(`${order.text}${order.top ? ", under each layer · head" : ""}`);
  const chosenTile = tiles.find(({ layer, head }) => layer === on.layer && head === on.head);
  if (chosenTile) {
    const kind = !joint ? "head_map" : on.layer ? "joint_map" : "first_joint_map";
    const name = sentence(kind, { layer: on.layer, head: on.head ?? 0 });
    const hidden = hiddenWords(frame, traits.hide_sinks, chosenTile.hidden);
    caption.push(...hidden.map((words) => `${name}: ${words}`));
  }
  return {
    reading:
      (detail && detailReading(scene, detail, on, joint, scores)) ||
      tileReading(scene, on, joint, scores),
    caption,
    saturation: chosenTile?.saturation,
    mass: null,
    legend:
      asNumbers && scores
        ? legendOfScores(scores, look.dark)
        : legendOf(frame.unit, frame.arrays.tiles.scale, frame.unit !== "flow", look.dark, false),
    label: `${traits.method}, ${maps} as small heat maps; layer ${on.layer}${joint ? "" : `, head ${on.head}`} is chosen`,
  };
}

/**
 * The chosen head's strongest pair, or the token of the detail that is hovered.
 * @param {Scene} scene @param {Frame} detail @param {{ layer: number, head: number | null }} on @param {boolean} joint @param {import("../shared/metric.js").Scores | null} scores @returns {Reading | null}
 */
function detailReading(scene, detail, on, joint, scores) {
  const { hover, traits } = scene;
  if (on.layer !== traits.layer || (!joint && on.head !== traits.head)) return null;
  const target = hover && !("layer" in hover) ? hover : null;
  const focus = focusOf(detail.queries, detail.keys, traits, target) ?? strongestFocus(scene, on);
  const pair = focus && pairOf(scene, detail, focus);
  if (!pair) return null;
  return {
    title: titleOf(traits.method, on, joint),
    queries: [detail.queries.text[pair.query]],
    keys: [detail.keys.text[pair.key]],
    where: focus.pinned || target ? "" : "strongest away from special tokens",
    head: null,
    value: pair.value,
    exact: pair.exact,
    unit: detail.unit,
    needs: [{ side: pair.side, index: pair.row }],
    notes: notesOf(scores, on),
  };
}

/** @param {string} method @param {{ layer: number, head: number | null }} on @param {boolean} joint */
const titleOf = (method, { layer, head }, joint) =>
  joint ? `${method}, ${layer ? `layers 0–${layer}` : "layer 0"}` : `layer ${layer} · head ${head}`;

/** @param {import("../shared/metric.js").Scores | null} scores @param {{ layer: number, head: number | null }} on */
function notesOf(scores, { layer, head }) {
  const value = scores ? scores.of(layer, head) : NaN;
  return scores && !Number.isNaN(value) ? [`${scores.name} ${fixed(value, 3)}`] : [];
}

/** The row of the chosen thumbnail's strongest cell. @param {Scene} scene @param {{ layer: number, head: number | null }} on @returns {import("../shared/selection.js").Focus | null} */
function strongestFocus({ frame }, on) {
  const tile = (frame.tiles ?? []).findIndex(
    ({ layer, head }) => layer === on.layer && head === on.head,
  );
  const best = tile < 0 ? null : strongestOfTile(frame, tile);
  return best && { side: "query", rows: [best.query], pinned: false, pair: null };
}

/**
 * A thumbnail: its strongest cell, as it was drawn.
 * @param {Scene} scene @param {{ layer: number, head: number | null }} on @param {boolean} joint @param {import("../shared/metric.js").Scores | null} scores @returns {Reading | null}
 */
function tileReading({ frame, traits }, on, joint, scores) {
  const tile = (frame.tiles ?? []).findIndex(
    ({ layer, head }) => layer === on.layer && head === on.head,
  );
  const best = tile < 0 ? null : strongestOfTile(frame, tile);
  if (!best) return null;
  const [pq, pk] = poolOf(frame);
  const span = (/** @type {string[]} */ text, /** @type {number} */ at, /** @type {number} */ n) =>
    [...new Set([text[at], text[Math.min(text.length, at + n) - 1]])].join(" … ");
  return {
    title: titleOf(traits.method, on, joint),
    queries: [span(frame.queries.text, best.query, pq)],
    keys: [span(frame.keys.text, best.key, pk)],
    where: "strongest away from special tokens",
    head: null,
    value: best.value,
    exact: false,
    unit: frame.unit,
    notes: notesOf(scores, on),
  };
}
