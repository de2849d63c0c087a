// The model view: every layer × head as a thumbnail on one canvas, the chosen head beside it.
import { prepared, put } from "../../paint/canvas.js";
import { detailImage, paintDetail } from "./detail.js";
import { corner, detailHit, modelLayout, thumbAt } from "./layout.js";
import { paintNumber, paintNumbers, paintRank, paintUnder, ring } from "./marks.js";
import { atlas, tilesOf } from "./thumbs.js";
import { widest } from "../../paint/tokens.js";
import { memo } from "../../memo.js";
import { ordersOf, scoresOf } from "../shared/metric.js";
import { maskOf } from "../shared/masking.js";
import { describeModel } from "./words.js";
import { listen } from "../shared/pointer.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../types.js").Frame} Frame */
/** @typedef {import("./layout.js").ModelLayout} ModelLayout */
/** @typedef {CanvasRenderingContext2D} Context */

const MAPS = "attention";

/**
 * @param {import("../../view-types.js").Callbacks} callbacks
 * @param {AbortSignal} signal
 * @returns {import("../../view-types.js").View}
 */
export function modelView(callbacks, signal) {
  const canvas = document.createElement("canvas");
  const image = document.createElement("canvas");
  const element = document.createElement("div");
  element.append(canvas);

  const layoutOf = memo(modelLayout);
  const widestOf = memo((/** @type {string[]} */ text, /** @type {string} */ font) =>
    widest(/** @type {Context} */ (image.getContext("2d")), font, text, 12),
  );
  const atlasOf = memo(
    (/** @type {Frame} */ frame, /** @type {number} */ factor, /** @type {boolean} */ dark) => {
      const made = atlas(frame.arrays.tiles, factor, dark, frame.unit !== "flow", maskOf(frame));
      put(image, made.data, made.columns, (frame.tiles?.length ?? 0) * made.rows);
      return made;
    },
  );
  const tilesFor = memo(tilesOf);
  const scoresFor = memo(scoresOf);
  const imageOf = detailImage();
  let order = ordersOf("", 0)[0];
  let asNumbers = false; // colours of the metric instead of small maps
  /** @type {import("../shared/metric.js").Scores | null} */
  let scores = null;
  /**
   * What was drawn last.
   * @type {{ layout: ModelLayout, detail: Frame | null, places: NonNullable<Frame["tiles"]>,
   *   tileAt: (place: number) => number } | null}
   */
  let now = null;
  listen(canvas, hit, callbacks, signal);

  /** @param {number} x @param {number} y @returns {import("../../view-types.js").Target | null} */
  function hit(x, y) {
    if (!now) return null;
    const { layout, detail } = now;
    const at = thumbAt(layout, x, y);
    if (at) {
      const { layer, head } = now.places[now.tileAt(at.row * layout.columns + at.column)] ?? {};
      return layer === undefined || head === undefined ? null : { layer, head };
    }
    if (!layout.detail || !detail) return null;
    return detailHit(layout.detail, x, y, detail.queries.text.length, detail.keys.text.length);
  }

  /** @param {Scene} scene */
  function draw(scene) {
    const { frame, traits, look, width, hover } = scene;
    const [, rows, columns] = frame.arrays.tiles.shape;
    const joint = frame.tiles?.[0]?.head === null;
    scores = scoresFor(traits.metric, traits.attention, joint);
    const tiles = tilesFor(frame, order.sorted ? scores : null, order.top);
    const isRanked = !joint && tiles.sequence.length > 0;
    const nLanes = tiles.heads.length;
    const text = frame.queries.text;
    const nLayers = frame.n_layers ?? 0;
    const wide = widestOf(text, look.font);
    const chosen = isRanked
      ? tiles.sequence.indexOf(tiles.at(traits.layer, traits.head))
      : tiles.layers.indexOf(traits.layer);
    const layout = layoutOf(
      width,
      nLayers,
      joint ? 0 : nLanes,
      text.length,
      frame.keys.text.length,
      wide,
      Math.max(0, chosen),
      isRanked ? tiles.sequence.length : 0,
    );
    const detail = layout.detail && matches(scene) ? scene.detail : null;
    const tileAt = (/** @type {number} */ place) =>
      layout.wraps
        ? (tiles.sequence[place] ?? -1)
        : tiles.at(tiles.layers[Math.floor(place / nLanes)], tiles.heads[place % nLanes]);
    now = { layout, detail, places: frame.tiles ?? [], tileAt };
    const device = look.ratio * Math.min(layout.thumb, layout.thumbHeight);
    const { rows: r, columns: c } = atlasOf(
      frame,
      Math.max(1, Math.ceil(Math.max(rows, columns) / Math.max(1, device))),
      look.dark,
    );
    const ctx = prepared(canvas, layout.width, layout.height, look.ratio);
    ctx.imageSmoothingEnabled = false;
    for (let place = 0; place < layout.count; place++) {
      const tile = tileAt(place);
      const { layer, head } = now.places[tile] ?? {};
      if (layer === undefined || head === undefined) continue;
      const [x, y] = corner(layout, Math.floor(place / layout.columns), place % layout.columns);
      if (scores && asNumbers) paintNumber(ctx, look, layout, scores, scores.of(layer, head), x, y);
      else ctx.drawImage(image, 0, tile * r, c, r, x, y, layout.thumb, layout.thumbHeight);
      const isChosen = layer === traits.layer && (layout.joint || head === traits.head);
      const isHovered = !!hover && "layer" in hover && hover.layer === layer && hover.head === head;
      if (isChosen || isHovered) ring(ctx, look, x, y, layout, isChosen);
      if (layout.joint) paintUnder(ctx, scene, layout, tile, x, y, isChosen);
      else if (isRanked && scores)
        paintRank(ctx, look, layout, `${layer}·${head}`, scores.of(layer, head), x, y, isChosen);
    }
    if (!layout.wraps) paintNumbers(ctx, scene, layout, tiles);
    if (detail && layout.detail) paintDetail(ctx, scene, detail, layout.detail, imageOf);
    return describeModel(scene, {
      joint,
      detail: matches(scene) ? scene.detail : null,
      order,
      scores,
      asNumbers,
    });
  }

  /** @param {Frame} frame @returns {import("../../view-types.js").Option[]} */
  function options({ tiles = [] }) {
    if (!scores) return [];
    const orders = ordersOf(scores.name, tiles.length);
    if (!orders.some(({ text }) => text === order.text)) [order] = orders;
    return [
      { name: "order", choices: orders.map(({ text }) => text), value: order.text },
      { name: "show", choices: [MAPS, scores.name], value: asNumbers ? scores.name : MAPS },
    ];
  }

  /** @param {string} name @param {string} value */
  function choose(name, value) {
    if (name === "show") asNumbers = value !== MAPS;
    else
      order =
        ordersOf(scores?.name ?? "", now?.places.length ?? 0).find(({ text }) => text === value) ??
        order;
    callbacks.onRedraw();
  }

  return { element, surface: canvas, draw, options, choose };
}

/**
 * The detail that has come is of the chosen head, or layer where heads are joined.
 * @param {Scene} scene
 */
function matches({ detail, traits, frame }) {
  return (
    detail?.spec.layer === traits.layer &&
    detail.spec.method === frame.spec.method &&
    (detail.lanes[0].head ?? traits.head) === traits.head &&
    detail.capture_id === frame.capture_id
  );
}
