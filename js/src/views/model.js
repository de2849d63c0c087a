// The model view: every layer × head as a thumbnail on one canvas, the chosen head beside it.
import { onHalf, prepared, setFont, write } from "../draw/canvas.js";
import { edgesOf, edgesOfRow } from "../draw/edges.js";
import { inkOn } from "../draw/color.js";
import { hatch, pixels, pooled } from "../draw/heatmap.js";
import { lineOpacity, paintLines, traceOpacity } from "../draw/lines.js";
import { corner, detailHit, modelLayout, thumbAt } from "../draw/model-layout.js";
import { headColours } from "../draw/palettes.js";
import { atlas, tilesOf } from "../draw/thumbs.js";
import { paintToken, widest } from "../draw/tokens.js";
import { fixed } from "../format.js";
import { memo } from "../memo.js";
import { colourOf, ordersOf, scoresOf } from "../metric.js";
import { focusOf, rowsOf } from "../selection.js";
import { maskOf } from "../masking.js";
import { groupOf } from "../spec.js";
import { describeModel } from "./model-words.js";
import { listen } from "./pointer.js";

/** @typedef {import("../types.js").Scene} Scene */
/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("../draw/model-layout.js").ModelLayout} ModelLayout */
/** @typedef {import("../types.js").Look} Look */
/** @typedef {CanvasRenderingContext2D} Context */

const MAPS = "attention";

/**
 * @param {import("../types.js").Callbacks} callbacks
 * @param {AbortSignal} signal
 * @returns {import("../types.js").View}
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
  const small = document.createElement("canvas");
  let order = ordersOf("", 0)[0];
  let asNumbers = false; // colours of the metric instead of small maps
  /** @type {import("../metric.js").Scores | null} */
  let scores = null;
  /** @type {{ layout: ModelLayout, detail: Frame | null, places: NonNullable<Frame["tiles"]>, tileAt: (place: number) => number } | null} */
  let now = null;
  listen(canvas, hit, callbacks, signal);

  /** @param {number} x @param {number} y @returns {import("../types.js").Target | null} */
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
    const isRanked = !joint && tiles.flow.length > 0;
    const nLanes = tiles.heads.length;
    const text = frame.queries.text;
    const nLayers = frame.n_layers ?? 0;
    const wide = widestOf(text, look.font);
    const chosen = isRanked
      ? tiles.flow.indexOf(tiles.at(traits.layer, traits.head))
      : tiles.layers.indexOf(traits.layer);
    const layout = layoutOf(
      width,
      nLayers,
      joint ? 0 : nLanes,
      text.length,
      frame.keys.text.length,
      wide,
      Math.max(0, chosen),
      isRanked ? tiles.flow.length : 0,
    );
    const detail = layout.detail && matches(scene) ? scene.detail : null;
    const tileAt = (/** @type {number} */ place) =>
      layout.flow
        ? (tiles.flow[place] ?? -1)
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
    if (!layout.flow) paintNumbers(ctx, scene, layout, tiles);
    if (detail && layout.detail) paintDetail(ctx, scene, detail, layout.detail);
    return describeModel(scene, {
      joint,
      detail: matches(scene) ? scene.detail : null,
      order,
      scores,
      asNumbers,
    });
  }

  /** @param {Context} ctx @param {Scene} scene @param {Frame} detail @param {NonNullable<ModelLayout["detail"]>} place */
  function paintDetail(ctx, scene, detail, place) {
    const { look, traits, hover } = scene;
    setFont(ctx, look, 11);
    const target = hover && !("layer" in hover) ? hover : null;
    if (!place.row) {
      const side = Math.min(place.width, place.height);
      const [r, c] = detail.arrays.weights.shape.slice(-2);
      const factor = Math.max(1, Math.ceil(Math.max(r, c) / (side * look.ratio)));
      const grid = pooled(detail.arrays.weights, 0, r, c, factor, maskOf(detail));
      const part = { row: 0, column: 0, rows: grid.rows, columns: grid.columns };
      const style = { scale: detail.arrays.weights.scale, root: true, dark: look.dark };
      put(small, pixels(grid, part, style), grid.columns, grid.rows);
      ctx.drawImage(small, place.x, place.y, side, side);
      write(ctx, "query ↓  key →", place.x, place.y - 12, "left", look.ink3);
      return;
    }
    write(ctx, "query", place.xQuery, place.y - 12, "right", look.ink3);
    write(ctx, "key", place.xKey, place.y - 12, "left", look.ink3);
    const focus = focusOf(detail.queries, detail.keys, traits, target);
    const y = (/** @type {number} */ i) => place.y + (i + 0.5) * place.row;
    const nHeads = groupOf(traits).heads;
    const colour = headColours(nHeads, [traits.head], look.dark, look.ink)(traits.head);
    const style = { xStart: place.xQuery + 6, xEnd: place.xKey - 6, yQuery: y, yKey: y, offset: () => 0 };
    const full = { ...style, colour: () => colour, scale: detail.arrays.weights.scale, opacity: lineOpacity };
    paintLines(
      ctx,
      edgesOf(detail, [0], traits.threshold),
      focus ? { ...full, opacity: traceOpacity } : full,
    );
    for (const index of focus?.rows ?? []) {
      const exact = focus && scene.exact(focus.side, index);
      if (focus) paintLines(ctx, edgesOfRow(detail, [0], traits.threshold, focus.side, index, exact), full);
    }
    for (const side of /** @type {const} */ (["query", "key"])) {
      const axis = side === "query" ? detail.queries : detail.keys;
      const pins = new Set(rowsOf(axis, traits[side]));
      for (const [i, token] of axis.text.entries()) {
        paintToken(ctx, look, token, side === "query" ? place.xQuery : place.xKey, y(i), {
          align: side === "query" ? "right" : "left",
          size: place.row >= 15 ? 12 : 10,
          room: 90,
          special: !!axis.special[i],
          pinned: pins.has(i),
          hover: !!target && "side" in target && target.side === side && target.index === i,
        });
      }
    }
  }

  /** @param {Frame} frame @returns {import("../types.js").Option[]} */
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
        ordersOf(scores?.name ?? "", now?.places.length ?? 0).find(({ text }) => text === value) ?? order;
    callbacks.onRedraw();
  }

  return { element, surface: canvas, draw, options, choose };
}

/** A cell of the metric: its colour, and its number where that can be read. @param {Context} ctx @param {Look} look @param {ModelLayout} layout @param {import("../metric.js").Scores} scores @param {number} value @param {number} x @param {number} y */
function paintNumber(ctx, look, { thumb, thumbHeight }, scores, value, x, y) {
  if (Number.isNaN(value)) return hatch(ctx, x, y, thumb, thumbHeight, look.hatch);
  const { fill, bytes } = colourOf(scores, value, look.dark);
  ctx.fillStyle = fill;
  ctx.fillRect(x, y, thumb, thumbHeight);
  if (thumb < 30 || thumbHeight < 14) return;
  setFont(ctx, look, 10);
  write(ctx, rank(value), x + thumb / 2, y + thumbHeight / 2 + 1, "center", inkOn(bytes));
}

/** Under a thumbnail that is out of the grid: which it is, and its number. @param {Context} ctx @param {Look} look @param {ModelLayout} layout @param {string} name @param {number} value @param {number} x @param {number} y @param {boolean} chosen */
function paintRank(ctx, look, { thumb, thumbHeight }, name, value, x, y, chosen) {
  setFont(ctx, look, 11, chosen ? 600 : 400);
  write(ctx, name, x + thumb / 2, y + thumbHeight + 11, "center", look.ink);
  setFont(ctx, look, 10);
  write(ctx, rank(value), x + thumb / 2, y + thumbHeight + 23, "center", look.ink3);
}

/** @param {number} value */
const rank = (value) => (Number.isNaN(value) ? "–" : fixed(value, Math.abs(value) < 10 ? 2 : 0));

/** The detail that has come is of the chosen head, or layer where heads are joined. @param {Scene} scene */
function matches({ detail, traits, frame }) {
  return (
    detail?.spec.layer === traits.layer &&
    detail.spec.method === frame.spec.method &&
    (detail.lanes[0].head ?? traits.head) === traits.head &&
    detail.capture_id === frame.capture_id
  );
}

/** @param {HTMLCanvasElement} canvas @param {Uint32Array} data @param {number} width @param {number} height */
function put(canvas, data, width, height) {
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  const ctx = /** @type {Context} */ (canvas.getContext("2d"));
  const image = ctx.createImageData(canvas.width, canvas.height);
  new Uint32Array(image.data.buffer).set(data);
  ctx.putImageData(image, 0, 0);
}

/** @param {Context} ctx @param {import("../types.js").Look} look @param {number} x @param {number} y @param {ModelLayout} layout @param {boolean} chosen */
function ring(ctx, look, x, y, { thumb, thumbHeight, gap }, chosen) {
  const out = Math.min(2, gap / 2 - 0.5);
  ctx.strokeStyle = look.ink;
  ctx.lineWidth = chosen ? 1.5 : 1;
  const at = (/** @type {number} */ v) => (chosen ? v - out - 0.5 : onHalf(v - out) - 1);
  ctx.strokeRect(at(x), at(y), thumb + 2 * out + 1, thumbHeight + 2 * out + 1);
}

/** Layers down, heads across; the chosen ones in bold. @param {Context} ctx @param {Scene} scene @param {ModelLayout} layout @param {import("../draw/thumbs.js").Tiles} tiles */
function paintNumbers(ctx, { look, traits, hover }, layout, tiles) {
  const lit = hover && "layer" in hover ? hover : { layer: traits.layer, head: traits.head };
  const number = (
    /** @type {number | null} */ n,
    /** @type {boolean} */ isLit,
    /** @type {number} */ x,
    /** @type {number} */ y,
    /** @type {CanvasTextAlign} */ align,
  ) => {
    setFont(ctx, look, layout.thumb < 24 ? 10 : 11, isLit ? 600 : 400);
    write(ctx, String(n), x, y, align, isLit ? look.ink : look.ink3);
  };
  const skip = (/** @type {number} */ i, /** @type {number} */ room) => room + layout.gap < 19 && i % 4 > 0;
  for (const [column, head] of tiles.heads.entries()) {
    const [x] = corner(layout, 0, column);
    if (head === lit.head || !skip(column, layout.thumb))
      number(head, head === lit.head, x + layout.thumb / 2, 8, "center");
  }
  for (const [row, layer] of tiles.layers.entries()) {
    const [x, y] = corner(layout, row, 0);
    const middle = y + layout.thumbHeight / 2;
    if (layer === lit.layer || !skip(row, layout.thumbHeight))
      number(layer, layer === lit.layer, x - 10, middle, "right");
  }
}

/** Above and below a joint map: its layers, and how much of it is at the bound. @param {Context} ctx @param {Scene} scene @param {ModelLayout} layout @param {number} tile @param {number} x @param {number} y @param {boolean} chosen */
function paintUnder(ctx, { frame, look }, { thumb, thumbHeight }, tile, x, y, chosen) {
  const { layer = 0, saturation = null, exact = 1 } = frame.tiles?.[tile] ?? {};
  setFont(ctx, look, thumb < 96 ? 11 : 12, chosen || thumb >= 96 ? 600 : 400);
  write(ctx, layer ? `layers 0–${layer}` : "layer 0", x, y - 11, "left", look.ink);
  if (!exact) hatch(ctx, x, y, thumb, thumbHeight, look.hatch);
  if (saturation === null) return;
  const bottom = y + thumbHeight + 12;
  ctx.fillStyle = look.rule2;
  ctx.fillRect(x, bottom, thumb, 1);
  ctx.fillStyle = look.ink2;
  ctx.fillRect(x, bottom - 1, thumb * saturation, 3);
  setFont(ctx, look, 11);
  write(
    ctx,
    `${Math.round(saturation * 100)} %${thumb < 96 ? "" : " at the bound"}`,
    x,
    bottom + 13,
    "left",
    look.ink3,
  );
}
