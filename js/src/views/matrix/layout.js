// Positions of everything in the matrix view at any zoom, and what is at a point. Cells are whole
// device pixels. Pure.

/** @typedef {import("../../view-types.js").Target} Target */

export const GAP_FROM = 8; // cells this large are drawn apart
const LABEL_FROM = 11; // and named from here on
const TALLEST = 640;
// a map lower than this has few rows and many columns: its cells are drawn taller than wide
const FLAT = 96;
const FLAT_TALL = 240;
const SIDE = 330; // the gap and the legend beside the picture

/**
 * @typedef {Object} MatrixLayout
 * @property {number} width of the canvas
 * @property {number} height
 * @property {number} x0 left edge of the first visible column
 * @property {number} y0
 * @property {number} cell CSS pixels of one drawn cell
 * @property {number} tall CSS pixels of its height: more than `cell` only in flat maps
 * @property {number} pool displayed keys per drawn cell
 * @property {number} rowPool displayed queries per drawn cell
 * @property {number} rows drawn cells in all
 * @property {number} columns
 * @property {number} visibleRows drawn cells that fit
 * @property {number} visibleColumns
 * @property {number} label size of the column labels, 0 for none
 * @property {number} rowLabel size of the row labels, 0 for none
 * @property {number} rowRoom widest a row label may be
 * @property {number} columnRoom
 * @property {boolean} side the lists stand to the right, not below
 * @property {boolean} gaps
 * @property {boolean} whole everything is on the canvas
 */

/**
 * @param {number} width CSS pixels available
 * @param {number} nRows
 * @param {number} nColumns
 * @param {number} widestRow
 * @param {number} widestColumn
 * @param {number} ratio device pixels per CSS pixel
 * @param {number} zoom device pixels per displayed token; below 1 several share one; 0 = all fit
 * @param {number} [sent] tokens per cell of the frame: coarser cells are whole multiples of it
 * @returns {MatrixLayout}
 */
export function matrixLayout(
  width,
  nRows,
  nColumns,
  widestRow,
  widestColumn,
  ratio,
  zoom,
  sent = 1,
) {
  const side = width >= 600;
  const fit = fitted(width, nRows, nColumns, widestRow, widestColumn, ratio, side, sent);
  if (!zoom || zoom <= scaleOf(fit, ratio)) return fit;
  const cell = Math.max(1, Math.floor(zoom)) / ratio;
  const pool = zoom < 1 ? snapped(Math.round(1 / zoom), sent) : 1;
  const rowPool = Math.min(pool, fit.rowPool);
  const tall = rowPool < fit.pool && fit.tall > fit.cell ? Math.max(cell, fit.tall) : cell;
  const margins = margin(cell, widestRow, widestColumn, tall);
  const box = Math.max(fit.height, 240);
  const rows = Math.ceil(nRows / rowPool);
  const columns = Math.ceil(nColumns / pool);
  const boxWidth = Math.max(fit.width, Math.min(width, 320));
  const visibleRows = Math.min(rows, Math.max(1, Math.floor((box - margins.y0 - 8) / tall)));
  const visibleColumns = Math.min(
    columns,
    Math.max(1, Math.floor((boxWidth - margins.x0 - margins.slack) / cell)),
  );
  return {
    ...fit,
    ...margins,
    width: boxWidth,
    height: box,
    cell,
    tall,
    pool,
    rowPool,
    rows,
    columns,
    visibleRows,
    visibleColumns,
    gaps: cell >= GAP_FROM,
    whole: false,
  };
}

/** Device pixels per displayed token. @param {MatrixLayout} layout @param {number} ratio */
export const scaleOf = (layout, ratio) => (layout.cell * ratio) / layout.pool;

/** @param {number} pool @param {number} sent */
const snapped = (pool, sent) => (pool > sent ? Math.ceil(pool / sent) * sent : pool);

/**
 * The next zoom in or out; 0 = all fit.
 * @param {MatrixLayout} layout @param {number} ratio @param {1 | -1} direction
 */
export function zoomed(layout, ratio, direction) {
  const scale = scaleOf(layout, ratio);
  if (direction > 0) {
    for (let pool = layout.pool >> 1; pool; pool >>= 1) if (pool * scale < 1) return 1 / pool;
    return Math.min(32 * ratio, Math.max(Math.floor(scale) + 1, Math.round(scale * 1.5)));
  }
  if (scale <= 1) return scale / 2;
  return Math.max(1, Math.floor(scale / 1.5));
}

/**
 * @param {number} width @param {number} nRows @param {number} nColumns
 * @param {number} widestRow
 * @param {number} widestColumn
 * @param {number} ratio
 * @param {boolean} side
 * @param {number} sent
 * @returns {MatrixLayout}
 */
function fitted(width, nRows, nColumns, widestRow, widestColumn, ratio, side, sent) {
  const room = side ? Math.max(280, width - SIDE) : width;
  const largest = width >= 1180 ? 32 : 24;
  const named = margin(LABEL_FROM, widestRow, widestColumn);
  const most = (/** @type {number} */ wide, /** @type {number} */ tall) =>
    Math.min(largest, wide / Math.max(1, nColumns), tall / Math.max(1, nRows));
  const withNames = most(room - named.x0 - named.slack, TALLEST);
  const isNamed = withNames >= LABEL_FROM;
  const bare = margin(0, 0, 0);
  let margins = isNamed ? margin(withNames, widestRow, widestColumn) : bare;
  let cells = isNamed ? withNames : most(room - 4, Math.min(TALLEST, Math.max(360, room)));
  let tall = 0;
  if (!isNamed && sent === 1 && nRows * cells < FLAT) {
    tall = Math.max(1, Math.floor(Math.min(largest, FLAT_TALL / nRows) * ratio)) / ratio;
    margins = margin(0, widestRow, 0, tall);
    cells = Math.min(tall, (room - margins.x0 - margins.slack) / nColumns);
  }
  const device = cells * ratio;
  const pool = snapped(Math.max(sent, Math.ceil(1 / device)), sent);
  const rowPool = tall ? 1 : pool;
  const rows = Math.ceil(nRows / rowPool);
  const columns = Math.ceil(nColumns / pool);
  const cell = Math.max(1, Math.floor(device * pool)) / ratio;
  tall ||= cell;
  return {
    width: Math.ceil(margins.x0 + columns * cell + margins.slack),
    height: Math.ceil(margins.y0 + rows * tall + 8),
    ...margins,
    cell,
    tall,
    pool,
    rowPool,
    rows,
    columns,
    visibleRows: rows,
    visibleColumns: columns,
    side,
    gaps: cell >= GAP_FROM,
    whole: true,
  };
}

/** @param {number} size of a cell along the axis: what its labels have room for */
const labelOf = (size) => (size >= 17 ? 13 : size >= 14 ? 12 : size >= LABEL_FROM ? 10 : 0);

/**
 * @param {number} cell
 * @param {number} widestRow
 * @param {number} widestColumn
 * @param {number} [tall]
 */
function margin(cell, widestRow, widestColumn, tall = cell) {
  const [label, rowLabel] = [labelOf(cell), labelOf(tall)];
  const rowRoom = rowLabel && Math.min(130, Math.max(48, 1.1 * widestRow + 2));
  const columnRoom = label && Math.min(96, Math.max(32, 1.1 * widestColumn + 2));
  return {
    x0: rowLabel ? Math.max(92, Math.ceil(rowRoom + 18)) : 3,
    y0: label ? Math.max(56, Math.ceil(columnRoom * 0.71 + 26)) : 6,
    slack: label ? Math.max(12, Math.ceil(columnRoom * 0.71 - cell / 2)) : 4,
    label,
    rowLabel,
    rowRoom,
    columnRoom,
  };
}

/**
 * What is at a point of the canvas: a drawn cell, or the label of a row or column.
 * @param {MatrixLayout} layout
 * @param {number} x
 * @param {number} y
 * @param {{ row: number, column: number }} offset the first visible drawn cell
 * @returns {{ row: number, column: number } | { side: "query" | "key", index: number } | null}
 */
export function matrixHit(layout, x, y, offset) {
  const { x0, y0, cell, tall, visibleRows, visibleColumns } = layout;
  const row = Math.floor((y - y0) / tall);
  const column = Math.floor((x - x0) / cell);
  const rowIn = row >= 0 && row < visibleRows;
  if (rowIn && column >= 0 && column < visibleColumns)
    return { row: row + offset.row, column: column + offset.column };
  if (rowIn && x < x0 && layout.rowLabel) return { side: "query", index: row + offset.row };
  if (y >= y0 || !layout.label) return null;
  // Labels rise at 45° from their column: follow the slope down to it.
  const foot = Math.floor((x - (y0 - 11 - y) - x0) / cell);
  return foot >= 0 && foot < visibleColumns ? { side: "key", index: foot + offset.column } : null;
}
