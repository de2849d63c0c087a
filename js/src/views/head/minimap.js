// The minimap beside the viewport: attention along the whole text, and the part in view. Pure but
// for its context.
import { sequential } from "../../paint/palettes.js";
import { TOP } from "./layout.js";

/** @typedef {import("./layout.js").HeadLayout} HeadLayout */
/** @typedef {import("../shared/edges.js").Edges} Edges */

export const MINIMAP = 9; // CSS pixels that react to the pointer; less is drawn

/**
 * The weight of all lines that end in each row, divided by the largest.
 * @param {Edges[]} parts
 * @param {"query" | "key"} side of the rows
 * @param {number} n
 */
export function received(parts, side, n) {
  const values = new Float32Array(n);
  for (const edges of parts)
    for (let i = 0; i < edges.length; i++) values[edges[side][i]] += edges.weight[i];
  const most = values.reduce((a, b) => Math.max(a, b), 0) || 1;
  return values.map((value) => value / most);
}

/**
 * One line per pixel row: the strongest of the tokens that fall on it.
 * @param {CanvasRenderingContext2D} ctx
 * @param {import("../../view-types.js").Look} look
 * @param {HeadLayout} layout
 * @param {Float32Array} values
 * @param {number} scroll
 */
export function paintMinimap(ctx, look, layout, values, scroll) {
  const height = layout.height - TOP;
  const n = values.length;
  for (let y = 0; y < height; y++) {
    const [from, to] = [
      Math.floor((y / height) * n),
      Math.max(1, Math.ceil(((y + 1) / height) * n)),
    ];
    let most = 0;
    for (let i = from; i < Math.min(n, to); i++) most = Math.max(most, values[i]);
    ctx.fillStyle = sequential(Math.sqrt(most), look.dark);
    ctx.fillRect(1, TOP + y, 4, 1);
  }
  const scale = height / (layout.contentHeight - TOP);
  ctx.strokeStyle = look.ink;
  ctx.lineWidth = 1;
  ctx.strokeRect(
    0.5,
    TOP + Math.round(scroll * scale) + 0.5,
    5,
    Math.max(6, Math.round(height * scale)) - 1,
  );
}

/**
 * Where to scroll for a point of the minimap: that place comes to the middle.
 * @param {HeadLayout} layout
 * @param {number} y
 */
export function minimapScroll(layout, y) {
  const height = layout.height - TOP;
  return ((y - TOP) / height) * (layout.contentHeight - TOP) - height / 2;
}
