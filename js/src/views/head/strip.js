// The strip beside the key tokens: one square per key and head, a bar and the mean. Pure but for
// its context.
import { onHalf, setFont, write } from "../../paint/canvas.js";
import { rowMiddle } from "./layout.js";
import { fixed } from "../../format.js";

/** @typedef {import("./layout.js").HeadLayout} HeadLayout */
/** @typedef {import("../../view-types.js").Look} Look */
/** @typedef {CanvasRenderingContext2D} Context */

/**
 * @typedef {Object} StripData
 * @property {{ name: string, lane: number, on: boolean }[]} columns
 * @property {((lane: number, row: number) => number) | null} at null while nothing is hovered or
 *   pinned
 * @property {((row: number) => number) | null} mean
 * @property {(lane: number) => string} colour
 * @property {number} scale
 * @property {number | null} strong the row whose number is set in bold
 * @property {string} heading above the numbers
 * @property {number} largest the largest mean, so that bars keep to their room
 */

/**
 * @param {Context} ctx
 * @param {Look} look
 * @param {HeadLayout} layout
 * @param {StripData} data
 * @param {[number, number]} rows first and one past the last
 * @param {number} scroll
 */
export function paintStrip(ctx, look, layout, data, rows, scroll) {
  const { strip, xValue } = layout;
  if (xValue === null || !data.at) return;
  setFont(ctx, look, 11);
  write(ctx, data.heading, xValue, 8, "right", look.ink3);
  if (strip && strip.column >= 8) {
    setFont(ctx, look, 10);
    for (const [c, column] of data.columns.entries()) {
      const x = strip.x + c * strip.column + strip.column / 2 - 1;
      if (strip.column >= 12 || c % 4 === 0) {
        write(ctx, column.name, x, 8, "center", column.on ? look.ink2 : look.ink3);
      }
    }
  }
  const full = data.largest || 1;
  for (let row = rows[0]; row < rows[1]; row++) {
    const y = rowMiddle(layout, row, scroll);
    if (strip?.column) paintSquares(ctx, look, layout, data, row, y);
    if (!data.mean) continue;
    const mean = data.mean(row);
    if (strip && mean > 0) {
      ctx.fillStyle = look.ink;
      ctx.fillRect(strip.xBar, y - 2.5, Math.max(0.5, (mean / full) * strip.bar), 5);
    }
    setFont(ctx, look, 12, row === data.strong ? 600 : 400);
    write(ctx, fixed(mean, 3), xValue, y + 1, "right", look.ink);
  }
}

/**
 * @param {Context} ctx @param {Look} look @param {HeadLayout} layout @param {StripData} data
 * @param {number} row @param {number} y
 */
function paintSquares(ctx, look, layout, data, row, y) {
  const strip = layout.strip;
  if (!strip) return;
  const gap = strip.column >= 8 ? 3 : 1;
  const size = Math.max(2, strip.column - gap);
  const height = Math.min(12, layout.row - 5);
  const top = Math.round(y - height / 2);
  for (const [c, column] of data.columns.entries()) {
    const x = strip.x + c * strip.column;
    if (strip.column >= 8) {
      ctx.strokeStyle = look.rule;
      ctx.lineWidth = 1;
      ctx.strokeRect(onHalf(x), top + 0.5, size, height);
    }
    if (!column.on) continue;
    const value = data.at?.(column.lane, row);
    if (!value || !(value > 0)) continue;
    ctx.fillStyle = data.colour(column.lane);
    ctx.globalAlpha = Math.min(1, (value / data.scale) ** 0.6);
    ctx.fillRect(x, top, size + 1, height + 1);
    ctx.globalAlpha = 1;
  }
}
