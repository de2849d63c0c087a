// Positions of everything in the head view, and what is at a point. Pure.

/** @typedef {import("../../view-types.js").Target} Target */

export const TOP = 22;
export const ALL_ROWS = 150; // with more rows, a viewport of them scrolls
const VIEWPORT_ROW = 17;
const ARC_INSET = 10;

/**
 * @typedef {Object} HeadLayout
 * @property {boolean} wide positions are numbered
 * @property {number} width
 * @property {number} height of the canvas
 * @property {number} contentHeight of all rows, drawn or not
 * @property {number} row height of a row
 * @property {number} nQueries
 * @property {number} nKeys
 * @property {number} xQuery right edge of the query tokens
 * @property {number} xKey left edge of the key tokens
 * @property {number} room widest a query token may be
 * @property {number} keyRoom widest a key token may be
 * @property {number} arcStart
 * @property {number} arcEnd
 * @property {Strip | null} strip
 * @property {number | null} xValue right edge of the number in each key row
 * @property {boolean} scrolls
 */

/**
 * @typedef {Object} Strip
 * @property {number} x left edge of the first column
 * @property {number} column
 * @property {number} columns
 * @property {number} xBar
 * @property {number} bar length of a full bar
 */

/**
 * @param {number} width
 * @param {number} nQueries
 * @param {number} nKeys
 * @param {number} nLanes columns of the strip; 0 where one lane needs none
 * @param {number} widestQuery
 * @param {number} widestKey
 * @param {number} screenHeight height of the browser's window
 * @returns {HeadLayout}
 */
export function headLayout(width, nQueries, nKeys, nLanes, widestQuery, widestKey, screenHeight) {
  const wide = width >= 600;
  const n = Math.max(nQueries, nKeys, 1);
  const scrolls = n > ALL_ROWS;
  const row = scrolls ? VIEWPORT_ROW : rowHeight(n, wide);
  const contentHeight = TOP + n * row + (scrolls ? 0 : 4);
  const viewportRows = Math.max(
    24,
    Math.min(60, Math.floor((0.8 * screenHeight - TOP) / VIEWPORT_ROW)),
  );
  const height = scrolls ? TOP + viewportRows * VIEWPORT_ROW : contentHeight;

  const numbers = wide ? 8 + 7 * String(n - 1).length + 10 : 0;
  const longest = wide ? 180 : 96;
  const room = Math.min(longest, Math.max(40, 1.1 * widestQuery + 2));
  const keyRoom = Math.min(longest, Math.max(40, 1.1 * widestKey + 2));
  const xQuery = Math.max(wide ? 112 : Math.min(104, 0.22 * width), numbers + room + 4);
  const valueWidth = 46;

  let strip = null;
  let xKey;
  let xValue;
  if (width >= 700) {
    const column = nLanes <= 1 ? 0 : Math.max(3, Math.min(16, Math.floor(200 / nLanes)));
    const keyColumn = 88 + Math.max(0, keyRoom - 72);
    const minimumBar = 56;
    const fixed = xQuery + keyColumn + nLanes * column + 20 + minimumBar + valueWidth;
    const arcs = Math.max(
      120,
      Math.min(420, width > 860 ? 312 + (width - 860) * 0.6 : 312, width - fixed),
    );
    xKey = xQuery + arcs;
    const x = xKey + keyColumn;
    const xBar = x + nLanes * column + (nLanes ? 20 : 0);
    const bar = Math.max(minimumBar, Math.min(140, width - 2 - valueWidth - xBar));
    strip = { x, column, columns: nLanes, xBar, bar };
    xValue = Math.min(width - 2, xBar + bar + valueWidth);
  } else {
    xKey = Math.max(xQuery + 60, width - Math.max(keyRoom + valueWidth + 12, 108));
    xValue = width - 4;
  }
  return {
    wide,
    width,
    height,
    contentHeight,
    row,
    nQueries,
    nKeys,
    xQuery,
    xKey,
    room,
    keyRoom,
    arcStart: xQuery + ARC_INSET,
    arcEnd: xKey - ARC_INSET,
    strip,
    xValue,
    scrolls,
  };
}

/** @param {number} n @param {boolean} wide */
function rowHeight(n, wide) {
  const tall = wide ? 23 : 22;
  return Math.max(17, Math.min(tall, Math.floor(1200 / n)));
}

/**
 * The middle of a row on the canvas.
 * @param {HeadLayout} layout
 * @param {number} index
 * @param {number} scroll pixels that the rows are moved up
 */
export const rowMiddle = (layout, index, scroll) =>
  TOP + index * layout.row + layout.row / 2 - scroll;

/**
 * The rows whose middle is on the canvas: first and one past the last.
 * @param {HeadLayout} layout
 * @param {number} n
 * @param {number} scroll
 * @returns {[number, number]}
 */
export function visibleRows(layout, n, scroll) {
  const first = Math.max(0, Math.floor(scroll / layout.row));
  const last = Math.min(n, Math.ceil((scroll + layout.height - TOP) / layout.row));
  return [Math.min(first, n), Math.max(first, last)];
}

/**
 * What is at a point of the canvas: a token of either side, or in the strip a key and lane.
 * @param {HeadLayout} layout
 * @param {number} x
 * @param {number} y
 * @param {number} scroll
 * @returns {Target | { strip: number, lane: number | undefined } | null}
 */
export function headHit(layout, x, y, scroll) {
  if (y < TOP) return null;
  const index = Math.floor((y - TOP + scroll) / layout.row);
  const { arcStart, arcEnd, strip } = layout;
  const reach = Math.min(40, (arcEnd - arcStart) / 3);
  if (x < arcStart + reach) return index < layout.nQueries ? { side: "query", index } : null;
  if (x < arcEnd - reach || index >= layout.nKeys) return null;
  if (strip && x >= strip.x) {
    const lane = Math.floor((x - strip.x) / (strip.column || 1));
    return { strip: index, lane: strip.column && lane < strip.columns ? lane : undefined };
  }
  return { side: "key", index };
}
