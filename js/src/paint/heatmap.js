// The heat map: values to colours, cells to rectangles or to one image. Pure but for the context it
// draws on.
import { scaleTable } from "./palettes.js";

/** @typedef {import("../types.js").FrameArray} FrameArray */
/** @typedef {import("./pooling.js").Grid} Grid */
/** @typedef {CanvasRenderingContext2D} Context */

const HATCH = [0xff777777, 0xffbbbbbb]; // stripes for NaN, where cells are too small for lines

/**
 * The place in the palette, 0 to 255.
 * @param {number} value
 * @param {number} scale the value of the last colour
 * @param {boolean} root √ scale
 */
export function level(value, scale, root) {
  const t = Math.max(0, Math.min(1, value / scale));
  return Math.round(255 * (root ? Math.sqrt(t) : t));
}

/**
 * A part of the grid as canvas pixels, one per cell. Masked cells stay transparent: they show the
 * paper.
 * @param {Grid} grid
 * @param {{ row: number, column: number, rows: number, columns: number }} part
 * @param {{ scale: number, root: boolean, dark: boolean }} look
 * @returns {Uint32Array}
 */
export function pixels(grid, part, { scale, root, dark }) {
  const table = scaleTable("sequential", dark).pixels;
  const out = new Uint32Array(part.rows * part.columns);
  for (let r = 0; r < part.rows; r++) {
    for (let c = 0; c < part.columns; c++) {
      const i = (part.row + r) * grid.columns + part.column + c;
      if (grid.masked?.[i]) continue;
      const value = grid.values[i];
      out[r * part.columns + c] = Number.isNaN(value)
        ? HATCH[((r + c) >> 1) & 1]
        : table[level(value, scale, root)];
    }
  }
  return out;
}

/**
 * Cells as rectangles with 1 px gaps, dots where a value is at its bound, hatching where it is NaN.
 * @param {Context} ctx
 * @param {Grid} grid
 * @param {{ row: number, column: number, rows: number, columns: number }} part
 * @param {Object} style
 * @param {number} style.x0
 * @param {number} style.y0
 * @param {number} style.cell
 * @param {number} style.tall
 * @param {number} style.scale
 * @param {boolean} style.root
 * @param {boolean} style.dark
 * @param {string} style.ink
 * @param {((row: number, column: number) => boolean) | null} style.dotted
 */
export function paintCells(ctx, grid, part, style) {
  const { x0, y0, cell, tall, scale, root, dark } = style;
  const colours = scaleTable("sequential", dark).css;
  for (let r = 0; r < part.rows; r++) {
    for (let c = 0; c < part.columns; c++) {
      const [row, column] = [part.row + r, part.column + c];
      const i = row * grid.columns + column;
      if (grid.masked?.[i]) continue;
      const value = grid.values[i];
      const [x, y] = [x0 + c * cell, y0 + r * tall];
      if (Number.isNaN(value)) {
        hatch(ctx, x, y, cell - 1, tall - 1, style.ink, 4);
        continue;
      }
      const at = level(value, scale, root);
      ctx.fillStyle = colours[at];
      ctx.fillRect(x, y, cell - 1, tall - 1);
      if (cell >= 10 && style.dotted?.(row, column)) {
        // strong cells are dark in light, light in dark
        ctx.fillStyle = at > 127 === dark ? "#000" : "#fff";
        ctx.globalAlpha = 0.8;
        ctx.beginPath();
        ctx.arc(x + (cell - 1) / 2, y + (tall - 1) / 2, 1.6, 0, 7);
        ctx.fill();
        ctx.globalAlpha = 1;
      }
    }
  }
}

/**
 * Lines at 45° over a rectangle.
 * @param {Context} ctx
 * @param {number} x @param {number} y @param {number} width @param {number} height
 * @param {string} colour
 * @param {number} [every]
 */
export function hatch(ctx, x, y, width, height, colour, every = 6) {
  ctx.save();
  ctx.beginPath();
  ctx.rect(x, y, width, height);
  ctx.clip();
  ctx.strokeStyle = colour;
  ctx.lineWidth = 1;
  ctx.beginPath();
  for (let d = -height; d < width; d += every) {
    ctx.moveTo(x + d, y + height);
    ctx.lineTo(x + d + height, y);
  }
  ctx.stroke();
  ctx.restore();
}

/**
 * Runs of rows that are not exact yet.
 * @param {FrameArray | undefined} exact (query); absent = all are
 * @param {number} pool
 * @returns {[number, number][]} first and one past the last, in drawn cells
 */
export function openRows(exact, pool) {
  /** @type {[number, number][]} */
  const runs = [];
  if (!exact) return runs;
  const n = Math.ceil(exact.data.length / pool);
  for (let row = 0; row < n; row++) {
    let open = false;
    for (let i = row * pool; i < Math.min(exact.data.length, (row + 1) * pool); i++)
      open ||= !exact.data[i];
    if (!open) continue;
    const last = runs[runs.length - 1];
    if (last && last[1] === row) last[1] = row + 1;
    else runs.push([row, row + 1]);
  }
  return runs;
}
