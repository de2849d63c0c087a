// Marks on and around the thumbnails: numbers, names, the ring of the chosen one. Pure but for its
// context.
import { colourOf } from "../shared/metric.js";
import { fixed } from "../../format.js";
import { onHalf, setFont, write } from "../../paint/canvas.js";
import { inkOn } from "../../paint/color.js";
import { hatch } from "../../paint/heatmap.js";
import { corner } from "./layout.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../view-types.js").Look} Look */
/** @typedef {import("./layout.js").ModelLayout} ModelLayout */
/** @typedef {CanvasRenderingContext2D} Context */

/**
 * A cell of the metric: its colour, and its number where that can be read.
 * @param {Context} ctx
 * @param {Look} look
 * @param {ModelLayout} layout
 * @param {import("../shared/metric.js").Scores} scores
 * @param {number} value
 * @param {number} x
 * @param {number} y
 */
export function paintNumber(ctx, look, { thumb, thumbHeight }, scores, value, x, y) {
  if (Number.isNaN(value)) return hatch(ctx, x, y, thumb, thumbHeight, look.hatch);
  const { fill, bytes } = colourOf(scores, value, look.dark);
  ctx.fillStyle = fill;
  ctx.fillRect(x, y, thumb, thumbHeight);
  if (thumb < 30 || thumbHeight < 14) return;
  setFont(ctx, look, 10);
  write(ctx, scoreText(value), x + thumb / 2, y + thumbHeight / 2 + 1, "center", inkOn(bytes));
}

/**
 * Under a thumbnail that is out of the grid: which it is, and its number.
 * @param {Context} ctx
 * @param {Look} look
 * @param {ModelLayout} layout
 * @param {string} name
 * @param {number} value
 * @param {number} x
 * @param {number} y
 * @param {boolean} chosen
 */
export function paintRank(ctx, look, { thumb, thumbHeight }, name, value, x, y, chosen) {
  setFont(ctx, look, 11, chosen ? 600 : 400);
  write(ctx, name, x + thumb / 2, y + thumbHeight + 11, "center", look.ink);
  setFont(ctx, look, 10);
  write(ctx, scoreText(value), x + thumb / 2, y + thumbHeight + 23, "center", look.ink3);
}

/** @param {number} value */
const scoreText = (value) =>
  Number.isNaN(value) ? "–" : fixed(value, Math.abs(value) < 10 ? 2 : 0);

/**
 * @param {Context} ctx
 * @param {Look} look
 * @param {number} x
 * @param {number} y
 * @param {ModelLayout} layout
 * @param {boolean} chosen
 */
export function ring(ctx, look, x, y, { thumb, thumbHeight, gap }, chosen) {
  const out = Math.min(2, gap / 2 - 0.5);
  ctx.strokeStyle = look.ink;
  ctx.lineWidth = chosen ? 1.5 : 1;
  const at = (/** @type {number} */ v) => (chosen ? v - out - 0.5 : onHalf(v - out) - 1);
  ctx.strokeRect(at(x), at(y), thumb + 2 * out + 1, thumbHeight + 2 * out + 1);
}

/**
 * Layers down, heads across; the chosen ones in bold.
 * @param {Context} ctx
 * @param {Scene} scene
 * @param {ModelLayout} layout
 * @param {import("./thumbs.js").Tiles} tiles
 */
export function paintNumbers(ctx, { look, traits, hover }, layout, tiles) {
  const marked = hover && "layer" in hover ? hover : { layer: traits.layer, head: traits.head };
  const number = (
    /** @type {number | null} */ n,
    /** @type {boolean} */ isMarked,
    /** @type {number} */ x,
    /** @type {number} */ y,
    /** @type {CanvasTextAlign} */ align,
  ) => {
    setFont(ctx, look, layout.thumb < 24 ? 10 : 11, isMarked ? 600 : 400);
    write(ctx, String(n), x, y, align, isMarked ? look.ink : look.ink3);
  };
  const skip = (/** @type {number} */ i, /** @type {number} */ room) =>
    room + layout.gap < 19 && i % 4 > 0;
  for (const [column, head] of tiles.heads.entries()) {
    const [x] = corner(layout, 0, column);
    if (head === marked.head || !skip(column, layout.thumb))
      number(head, head === marked.head, x + layout.thumb / 2, 8, "center");
  }
  for (const [row, layer] of tiles.layers.entries()) {
    const [x, y] = corner(layout, row, 0);
    const middle = y + layout.thumbHeight / 2;
    if (layer === marked.layer || !skip(row, layout.thumbHeight))
      number(layer, layer === marked.layer, x - 10, middle, "right");
  }
}

/**
 * Above and below a joint map: its layers, and how much of it is at the bound.
 * @param {Context} ctx
 * @param {Scene} scene
 * @param {ModelLayout} layout
 * @param {number} tile
 * @param {number} x
 * @param {number} y
 * @param {boolean} chosen
 */
export function paintUnder(ctx, { frame, look }, { thumb, thumbHeight }, tile, x, y, chosen) {
  const { layer = 0, saturation = null } = frame.tiles?.[tile] ?? {};
  setFont(ctx, look, thumb < 96 ? 11 : 12, chosen || thumb >= 96 ? 600 : 400);
  write(ctx, layer ? `layers 0–${layer}` : "layer 0", x, y - 11, "left", look.ink);
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
