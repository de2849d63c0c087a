// Positions of the thumbnails and of the detail beside them, and what is at a point. Pure.

/** @typedef {import("../../view-types.js").Target} Target */

const LEFT = 26; // room for the layers' numbers
const TOP = 20;
const DETAIL_ROW = 11; // detail rows smaller than this are a heat map, not lines
const LARGEST_ROW = 24;
const LABEL = 28; // room below a ranked thumbnail: its layer and head, and its number

/**
 * @typedef {Object} ModelLayout
 * @property {number} width of the canvas
 * @property {number} height
 * @property {boolean} joint one map per layer, in a row that wraps
 * @property {number} thumb width of a thumbnail
 * @property {number} thumbHeight
 * @property {number} gap
 * @property {number} columns thumbnails in a row
 * @property {number} rows
 * @property {number} count thumbnails in all
 * @property {number} below room below each
 * @property {boolean} wraps thumbnails in a sequence that wraps, not in a grid of layers and heads
 * @property {Detail | null} detail
 */

/**
 * @typedef {Object} Detail
 * @property {number} x left edge of its room
 * @property {number} y
 * @property {number} width
 * @property {number} height
 * @property {number} row height of a token row; 0 = drawn as a heat map
 * @property {number} xQuery right edge of the query tokens
 * @property {number} xKey
 */

/**
 * @param {number} width
 * @param {number} nLayers
 * @param {number} nLanes 0 for a joint method
 * @param {number} nQueries
 * @param {number} nKeys
 * @param {number} widestToken
 * @param {number} [chosen] the row of the chosen thumbnail: the detail stands beside it
 * @param {number} [count] thumbnails in a sequence that wraps; 0 for the grid
 * @returns {ModelLayout}
 */
export function modelLayout(
  width,
  nLayers,
  nLanes,
  nQueries,
  nKeys,
  widestToken,
  chosen = 0,
  count = 0,
) {
  const shape = Math.max(0.4, Math.min(2.5, nQueries / Math.max(1, nKeys)));
  if (nLanes < 1) return jointLayout(width, nLayers, shape);
  const beside = width >= 760;
  const detailWidth = beside
    ? Math.max(200, Math.min(320, 2 * Math.min(widestToken, 90) + 120))
    : 0;
  const room = width - LEFT - (detailWidth ? detailWidth + 24 : 0);
  const gap = count ? 10 : nLanes > 20 ? 2 : nLanes > 14 ? 3 : 5;
  const largest = width >= 1180 ? 64 : 42;
  const across = count ? Math.max(1, Math.floor(room / (largest + gap))) : nLanes;
  const down = count ? Math.ceil(count / across) : nLayers;
  const below = count ? LABEL : 0;
  const thumb = Math.max(6, Math.min(largest, Math.floor(room / across) - gap));
  const thumbHeight = Math.max(4, Math.round(thumb * shape));
  const gridWidth = LEFT + across * (thumb + gap);
  const gridHeight = TOP + down * (thumbHeight + gap + below) + 4;
  const n = Math.max(nQueries, nKeys, 1);
  const lines = Math.max(gridHeight, Math.min(TOP + n * 17, 420));
  const isLines = (lines - TOP) / n >= DETAIL_ROW; // else the detail is a square heat map
  const height = !beside
    ? gridHeight
    : isLines
      ? lines
      : Math.max(gridHeight, TOP + detailWidth + 4);
  const row = Math.min(LARGEST_ROW, (height - TOP) / n);
  const detailHeight = isLines ? row * n : Math.min(detailWidth, height - TOP - 4);
  const middle =
    TOP + ((count ? Math.floor(chosen / across) : chosen) + 0.5) * (thumbHeight + gap + below);
  const x = Math.min(width - detailWidth, gridWidth + 40);
  const tokens = Math.min(90, Math.max(40, widestToken));
  const detail = beside
    ? {
        x,
        y: Math.round(
          Math.max(TOP, Math.min(middle - detailHeight / 2, height - detailHeight - 2)),
        ),
        width: detailWidth,
        height: detailHeight,
        row: isLines ? row : 0,
        xQuery: x + tokens,
        xKey: x + detailWidth - tokens,
      }
    : null;
  return {
    width: beside ? x + detailWidth : gridWidth,
    height,
    joint: false,
    thumb,
    thumbHeight,
    gap,
    columns: across,
    rows: down,
    count: count || nLayers * nLanes,
    below,
    wraps: count > 0,
    detail,
  };
}

/** @param {number} width @param {number} nLayers @param {number} shape @returns {ModelLayout} */
function jointLayout(width, nLayers, shape) {
  const largest = width >= 1180 ? 150 : 118;
  const columns = Math.max(
    1,
    Math.min(nLayers, Math.floor((width + 22) / (nLayers > 12 ? 96 : largest + 24))),
  );
  const gap = Math.min(29, Math.floor((width - 6) / columns / 5));
  const thumb = Math.min(largest, Math.floor((width - 6 + gap) / columns) - gap);
  const thumbHeight = Math.round(thumb * shape);
  const rows = Math.ceil(nLayers / columns);
  const below = 34;
  const height = rows * (TOP + thumbHeight + below);
  return {
    width,
    height,
    joint: true,
    thumb,
    thumbHeight,
    gap,
    columns,
    rows,
    count: nLayers,
    below,
    wraps: true,
    detail: null,
  };
}

/**
 * The upper left corner of a thumbnail.
 * @param {ModelLayout} layout
 * @param {number} row
 * @param {number} column
 * @returns {[number, number]}
 */
export function corner({ joint, thumb, thumbHeight, gap, below }, row, column) {
  if (joint) return [3 + column * (thumb + gap), row * (TOP + thumbHeight + below) + TOP];
  return [LEFT + column * (thumb + gap), TOP + row * (thumbHeight + gap + below)];
}

/**
 * The thumbnail at a point: its place in the grid.
 * @param {ModelLayout} layout
 * @param {number} x
 * @param {number} y
 * @returns {{ row: number, column: number } | null}
 */
export function thumbAt(layout, x, y) {
  const [x0, y0] = corner(layout, 0, 0);
  const [x1, y1] = corner(layout, 1, 1);
  const column = Math.floor((x - x0) / (x1 - x0));
  const row = Math.floor((y - y0) / (y1 - y0));
  if (column < 0 || row < 0 || column >= layout.columns || row >= layout.rows) return null;
  if (row * layout.columns + column >= layout.count) return null;
  const [left, top] = corner(layout, row, column);
  return x <= left + layout.thumb + 1 && y <= top + layout.thumbHeight + 1 ? { row, column } : null;
}

/**
 * The token of the detail at a point.
 * @param {Detail} detail
 * @param {number} x
 * @param {number} y
 * @param {number} nQueries
 * @param {number} nKeys
 * @returns {Target | null}
 */
export function detailHit(detail, x, y, nQueries, nKeys) {
  if (y < detail.y || x < detail.x - 10) return null;
  if (!detail.row) {
    const side = Math.min(detail.width, detail.height);
    const key = Math.floor(((x - detail.x) / side) * nKeys);
    const query = Math.floor(((y - detail.y) / side) * nQueries);
    return key >= 0 && key < nKeys && query < nQueries ? { query, key } : null;
  }
  const index = Math.floor((y - detail.y) / detail.row);
  const middle = (detail.xQuery + detail.xKey) / 2;
  if (x < middle) return index < nQueries ? { side: "query", index } : null;
  return index < nKeys ? { side: "key", index } : null;
}
