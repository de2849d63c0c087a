// The chosen head beside the thumbnails: lines between tokens, or a small heat map where there are
// too many.
import { focusOf, rowsOf } from "../shared/selection.js";
import { maskOf } from "../shared/masking.js";
import { memo } from "../../memo.js";
import { groupOf } from "../../wire/spec.js";
import { put, setFont, write } from "../../paint/canvas.js";
import { edgesOf, edgesOfRow } from "../shared/edges.js";
import { pixels } from "../../paint/heatmap.js";
import { pooled } from "../../paint/pooling.js";
import { lineOpacity, paintLines, traceOpacity } from "../head/marks.js";
import { headColours } from "../../paint/palettes.js";
import { paintToken } from "../../paint/tokens.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../types.js").Frame} Frame */
/** @typedef {import("./layout.js").ModelLayout} ModelLayout */
/** @typedef {CanvasRenderingContext2D} Context */

/** Returns a function that draws the heat map of a detail; a hover reuses the last one. */
export function detailImage() {
  const small = document.createElement("canvas");
  return memo(
    (/** @type {Frame} */ detail, /** @type {number} */ room, /** @type {boolean} */ dark) => {
      const { weights } = detail.arrays;
      const [r, c] = weights.shape.slice(-2);
      // no more cells than device pixels
      const [rowPool, pool] = [r, c].map((n) => Math.max(1, Math.ceil(n / room)));
      const grid = pooled(weights, 0, r, c, pool, maskOf(detail), rowPool);
      const part = { row: 0, column: 0, rows: grid.rows, columns: grid.columns };
      put(
        small,
        pixels(grid, part, { scale: weights.scale, root: true, dark }),
        grid.columns,
        grid.rows,
      );
      return small;
    },
  );
}

/**
 * @param {Context} ctx
 * @param {Scene} scene
 * @param {Frame} detail
 * @param {NonNullable<ModelLayout["detail"]>} place
 * @param {ReturnType<typeof detailImage>} imageOf
 */
export function paintDetail(ctx, scene, detail, place, imageOf) {
  const { look, traits, hover } = scene;
  setFont(ctx, look, 11);
  const target = hover && !("layer" in hover) ? hover : null;
  if (!place.row) {
    const side = Math.min(place.width, place.height);
    ctx.drawImage(imageOf(detail, side * look.ratio, look.dark), place.x, place.y, side, side);
    write(ctx, "query ↓  key →", place.x, place.y - 12, "left", look.ink3);
    return;
  }
  write(ctx, "query", place.xQuery, place.y - 12, "right", look.ink3);
  write(ctx, "key", place.xKey, place.y - 12, "left", look.ink3);
  const focus = focusOf(detail.queries, detail.keys, traits, target);
  const y = (/** @type {number} */ i) => place.y + (i + 0.5) * place.row;
  const nHeads = groupOf(traits).heads;
  const colour = headColours(nHeads, [traits.head], look.dark, look.ink)(traits.head);
  const style = {
    xStart: place.xQuery + 6,
    xEnd: place.xKey - 6,
    yQuery: y,
    yKey: y,
    offset: () => 0,
  };
  const full = {
    ...style,
    colour: () => colour,
    scale: detail.arrays.weights.scale,
    opacity: lineOpacity,
  };
  paintLines(
    ctx,
    edgesOf(detail, [0], traits.threshold),
    focus ? { ...full, opacity: traceOpacity } : full,
  );
  for (const index of focus?.rows ?? []) {
    const exact = focus && scene.exact(focus.side, index);
    if (focus)
      paintLines(ctx, edgesOfRow(detail, [0], traits.threshold, focus.side, index, exact), full);
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
