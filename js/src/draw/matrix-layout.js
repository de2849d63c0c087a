// Where the matrix stands, at any zoom, and what a point of it is. Cells are whole device pixels. Pure.

/** @typedef {import("../types.js").Target} Target */

export const GAP_FROM = 8; // cells this large are drawn apart
const LABEL_FROM = 11; // and named from here on
const TALLEST = 640;
const SIDE = 330; // the gap and the legend beside the picture

/**
 * @typedef {Object} MatrixLayout
 * @property {number} width of the canvas
 * @property {number} height
 * @property {number} x0 left edge of the first visible column
 * @property {number} y0
 * @property {number} cell CSS pixels of one drawn cell
 * @property {number} pool displayed tokens per drawn cell side
 * @property {number} rows drawn cells there are
 * @property {number} columns
 * @property {number} visibleRows drawn cells that fit
 * @property {number} visibleColumns
 * @property {number} label size of the token labels, 0 for none
 * @property {number} rowRoom widest a row label may be
 * @property {number} columnRoom
 * @property {boolean} side the lists stand to the right, not below
 * @property {boolean} gaps
 * @property {boolean} whole everything is on the canvas
 */

/**
 * @param {number} width CSS pixels there are
 * @param {number} nRows
 * @param {number} nColumns
 * @param {number} widestRow
 * @param {number} widestColumn
 * @param {number} ratio device pixels per CSS pixel
 * @param {number} zoom device pixels per displayed token; below 1 several share one; 0 = all fit
 * @param {number} [sent] tokens per cell as it was sent: what is coarser must be whole multiples of it
 * @returns {MatrixLayout}
 */
export function matrixLayout(width, nRows, nColumns, widestRow, widestColumn, ratio, zoom, sent = 1) {
  const side = width >= 600;
  const fit = fitted(width, nRows, nColumns, widestRow, widestColumn, ratio, side, sent);
  if (!zoom || zoom <= scaleOf(fit, ratio)) return fit;
  const cell = Math.max(1, Math.floor(zoom)) / ratio;
  const pool = zoom < 1 ? snapped(Math.round(1 / zoom), sent) : 1;
  const margins = margin(cell, widestRow, widestColumn);
  const box = Math.max(fit.height, 240);
  const rows = Math.ceil(nRows / pool);
  const columns = Math.ceil(nColumns / pool);
  const boxWidth = Math.max(fit.width, Math.min(width, 320));
  const visibleRows = Math.min(rows, Math.max(1, Math.floor((box - margins.y0 - 8) / cell)));
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
    pool,
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
 * @param {number} widestRow @param {number} widestColumn @param {number} ratio @param {boolean} side @param {number} sent
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
  const margins = isNamed ? margin(withNames, widestRow, widestColumn) : bare;
  const cells = isNamed ? withNames : most(room - 4, Math.min(TALLEST, Math.max(360, room)));
  const device = cells * ratio;
  const pool = snapped(Math.max(sent, Math.ceil(1 / device)), sent);
  const rows = Math.ceil(nRows / pool);
  const columns = Math.ceil(nColumns / pool);
  const cell = Math.max(1, Math.floor(device * pool)) / ratio;
  return {
    width: Math.ceil(margins.x0 + columns * cell + margins.slack),
    height: Math.ceil(margins.y0 + rows * cell + 8),
    ...margins,
    cell,
    pool,
    rows,
    columns,
    visibleRows: rows,
    visibleColumns: columns,
    side,
    gaps: cell >= GAP_FROM,
    whole: true,
  };
}

/** @param {number} cell @param {number} widestRow @param {number} widestColumn */
function margin(cell, widestRow, widestColumn) {
  const label = cell >= 17 ? 13 : cell >= 14 ? 12 : cell >= LABEL_FROM ? 10 : 0;
  if (!label) return { x0: 3, y0: 6, slack: 4, label: 0, rowRoom: 0, columnRoom: 0 };
  const rowRoom = Math.min(130, Math.max(48, 1.1 * widestRow + 2));
  const columnRoom = Math.min(96, Math.max(32, 1.1 * widestColumn + 2));
  return {
    x0: Math.max(92, Math.ceil(rowRoom + 18)),
    y0: Math.max(56, Math.ceil(columnRoom * 0.71 + 26)),
    slack: Math.max(12, Math.ceil(columnRoom * 0.71 - cell / 2)),
    label,
    rowRoom,
    columnRoom,
  };
}

/**
 * What a point of the canvas is: a drawn cell, or the label of a row or column.
 * @param {MatrixLayout} layout
 * @param {number} x
 * @param {number} y
 * @param {{ row: number, column: number }} offset the first visible drawn cell
 * @returns {{ row: number, column: number } | { side: "query" | "key", index: number } | null}
 */
export function matrixHit(layout, x, y, offset) {
  const { x0, y0, cell, visibleRows, visibleColumns } = layout;
  const row = Math.floor((y - y0) / cell);
  const column = Math.floor((x - x0) / cell);
  const rowIn = row >= 0 && row < visibleRows;
  if (rowIn && column >= 0 && column < visibleColumns)
    return { row: row + offset.row, column: column + offset.column };
  if (!layout.label) return null;
  if (rowIn && x < x0) return { side: "query", index: row + offset.row };
  if (y >= y0) return null;
  // Labels rise at 45° from their column: follow the slope down to it.
  const foot = Math.floor((x - (y0 - 11 - y) - x0) / cell);
  return foot >= 0 && foot < visibleColumns ? { side: "key", index: foot + offset.column } : null;
}
