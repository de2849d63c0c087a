// Marks over and around the cells: pins, cross-hair, labels, rows that are not exact yet. Pure but
// for its context.
import { setFont, write } from "../../paint/canvas.js";
import { hatch, openRows } from "../../paint/heatmap.js";
import { paintToken } from "../../paint/tokens.js";

/** @typedef {import("../../view-types.js").Look} Look */
/** @typedef {import("../../view-types.js").Target} Target */
/** @typedef {import("./layout.js").MatrixLayout} MatrixLayout */
/** @typedef {CanvasRenderingContext2D} Context */

/**
 * @typedef {Object} Placing
 * @property {Look} look
 * @property {MatrixLayout} layout
 * @property {{ row: number, column: number }} offset the first visible drawn cell
 */

/**
 * Rows without their exact values yet: pale, hatched, below an accent line.
 * @param {Context} ctx
 * @param {Placing} placing
 * @param {import("../../types.js").FrameArray | undefined} exact
 */
export function paintOpen(ctx, { look, layout, offset }, exact) {
  const { x0, y0, cell, tall, visibleRows, visibleColumns } = layout;
  for (const [from, to] of openRows(exact, layout.rowPool)) {
    const first = Math.max(from, offset.row) - offset.row;
    const last = Math.min(to, offset.row + visibleRows) - offset.row;
    if (last <= first) continue;
    const [y, w, h] = [y0 + first * tall, visibleColumns * cell, (last - first) * tall];
    ctx.globalAlpha = 0.7;
    ctx.fillStyle = look.paper;
    ctx.fillRect(x0, y, w, h);
    ctx.globalAlpha = 1;
    hatch(ctx, x0, y, w, h, look.hatch);
    if (from > 0 && from >= offset.row) {
      ctx.fillStyle = look.accent;
      ctx.fillRect(x0, y - 1, w, 1.5);
    }
  }
}

/**
 * Frames around pinned rows and columns, and the cross-hair.
 * @param {Context} ctx
 * @param {Placing} placing
 * @param {{ query: number[], key: number[] }} pins displayed rows
 * @param {Target | null} hover
 */
export function paintMarks(ctx, { look, layout, offset }, pins, hover) {
  const { x0, y0, cell, tall, visibleRows, visibleColumns } = layout;
  const seam = layout.gaps ? 1 : 0;
  const box = (
    /** @type {number} */ c,
    /** @type {number} */ r,
    /** @type {number} */ columns,
    /** @type {number} */ rows,
    grow = 1,
  ) =>
    ctx.strokeRect(
      x0 + c * cell - grow - 0.5,
      y0 + r * tall - grow - 0.5,
      columns * cell + 2 * grow + 1 - seam,
      rows * tall + 2 * grow + 1 - seam,
    );
  const row = (/** @type {number} */ index) => Math.floor(index / layout.rowPool) - offset.row;
  const column = (/** @type {number} */ index) => Math.floor(index / layout.pool) - offset.column;
  ctx.save();
  ctx.beginPath();
  ctx.rect(x0 - 3, y0 - 3, visibleColumns * cell + 6, visibleRows * tall + 6);
  ctx.clip();
  ctx.strokeStyle = look.ink;
  ctx.lineWidth = 1.5;
  for (const r of new Set(pins.query.map(row))) box(0, r, visibleColumns, 1);
  for (const c of new Set(pins.key.map(column))) box(c, 0, 1, visibleRows);
  if (hover && "query" in hover) {
    const [c, r] = [column(hover.key), row(hover.query)];
    if (!layout.gaps) {
      ctx.globalAlpha = 0.3;
      ctx.fillStyle = look.ink;
      ctx.fillRect(x0, y0 + r * tall, visibleColumns * cell, tall);
      ctx.fillRect(x0 + c * cell, y0, cell, visibleRows * tall);
      ctx.globalAlpha = 1;
    }
    box(c, r, 1, 1);
    ctx.strokeStyle = look.paper;
    ctx.lineWidth = 1;
    if (layout.gaps) box(c, r, 1, 1, -1);
  } else if (hover && "side" in hover) {
    ctx.globalAlpha = 0.5;
    if (hover.side === "query") box(0, row(hover.index), visibleColumns, 1);
    else box(column(hover.index), 0, 1, visibleRows);
  }
  ctx.restore();
}

/**
 * The tokens of one side that stand along the visible cells.
 * @param {Context} ctx
 * @param {Placing} placing
 * @param {import("../../types.js").Side} side
 * @param {Object} given
 * @param {import("../../types.js").Axis} given.axis
 * @param {Set<number>} given.pins displayed rows
 * @param {Set<number>} given.found
 * @param {Target | null} given.hover
 * @param {boolean} given.focused the keyboard is here
 */
export function paintLabels(
  ctx,
  { look, layout, offset },
  side,
  { axis, pins, found, hover, focused },
) {
  const { x0, y0 } = layout;
  const [first, shown, step, cell, label] =
    side === "query"
      ? [offset.row, layout.visibleRows, layout.rowPool, layout.tall, layout.rowLabel]
      : [offset.column, layout.visibleColumns, layout.pool, layout.cell, layout.label];
  if (!label) return;
  const hovered =
    hover && "query" in hover
      ? hover[side]
      : hover && "side" in hover && hover.side === side
        ? hover.index
        : -1;
  for (let drawn = 0; drawn < shown; drawn++) {
    const i = (first + drawn) * step;
    if (i >= axis.text.length) break;
    const at = drawn * cell + cell / 2;
    const style = {
      size: label,
      special: !!axis.special[i],
      pinned: pins.has(i),
      found: found.has(i),
      hover: hovered >= i && hovered < i + step,
      focus: focused && pins.has(i),
    };
    if (side === "query") {
      paintToken(ctx, look, axis.text[i], x0 - 12, y0 + at, {
        ...style,
        align: "right",
        room: layout.rowRoom,
      });
      continue;
    }
    ctx.save();
    ctx.translate(x0 + at, y0 - 11);
    ctx.rotate(-Math.PI / 4);
    paintToken(ctx, look, axis.text[i], 0, 0, { ...style, align: "left", room: layout.columnRoom });
    ctx.restore();
  }
}

/** @param {Context} ctx @param {Placing} placing */
export function paintAxisNames(ctx, { look, layout }) {
  setFont(ctx, look, 11);
  write(ctx, "query ↓", layout.x0 - 12, layout.y0 - 12, "right", look.ink3);
  write(ctx, "key →", layout.x0 - 12, layout.y0 - 30, "right", look.ink3);
}
