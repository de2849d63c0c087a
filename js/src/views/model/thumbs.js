// The thumbnails: the order they are drawn in, and one atlas of pixels for all of them. Pure.
import { pixels } from "../../paint/heatmap.js";
import { pooled } from "../../paint/pooling.js";
import { ranked } from "../shared/metric.js";
import { valueAt } from "../../wire/decode.js";

/** @typedef {import("../../types.js").FrameArray} FrameArray */
/** @typedef {import("../../types.js").Frame} Frame */

/**
 * The grid of thumbnails: which layers and heads, in what order, and which tile is where.
 * @typedef {Object} Tiles
 * @property {number[]} layers original numbers, in the order drawn
 * @property {(number | null)[]} heads
 * @property {(layer: number, head: number | null) => number} at the tile, -1 where there is none
 *   (yet)
 * @property {number[]} sequence the tiles in drawn order where they are no grid of layers and
 *   heads; else empty
 */

/**
 * @param {Frame} frame
 * @param {import("../shared/metric.js").Scores | null} scores rows and columns by their largest
 *   number, largest first
 * @param {number} [top] this many heads with the largest numbers; 0 for the grid
 * @returns {Tiles}
 */
export function tilesOf(frame, scores, top = 0) {
  const tiles = frame.tiles ?? [];
  const places = new Map(tiles.map(({ layer, head }, i) => [`${layer} ${head}`, i]));
  const layers = [...new Set(tiles.map(({ layer }) => layer))];
  const heads = [...new Set(tiles.map(({ head }) => head))];
  if (scores && !top) {
    const order = ranked(tiles, scores, tiles.length); // a row stands where its first head stands
    const first = (/** @type {"layer" | "head"} */ side, /** @type {number | null} */ number) =>
      order.findIndex((i) => tiles[i][side] === number);
    layers.sort((a, b) => first("layer", a) - first("layer", b));
    heads.sort((a, b) => first("head", a) - first("head", b));
  }
  return {
    layers,
    heads,
    at: (layer, head) => places.get(`${layer} ${head}`) ?? -1,
    sequence:
      scores && top ? ranked(tiles, scores, top) : heads[0] === null ? tiles.map((_, i) => i) : [],
  };
}

/**
 * All thumbnails below one another as one block of pixels, pooled so that no cell is smaller than a
 * device pixel.
 * @param {FrameArray} tiles (tile, row, column)
 * @param {number} factor cells per pixel side
 * @param {boolean} dark
 * @param {boolean} root √ scale
 * @param {((row: number, column: number) => boolean) | null} isMasked of a thumbnail's cell
 * @returns {{ data: Uint32Array, rows: number, columns: number }} of one thumbnail `rows × columns`
 */
export function atlas(tiles, factor, dark, root, isMasked) {
  const [count, r, c] = tiles.shape;
  const [rows, columns] = [Math.ceil(r / factor), Math.ceil(c / factor)];
  const data = new Uint32Array(count * rows * columns);
  for (let tile = 0; tile < count; tile++) {
    const grid = pooled(tiles, tile * r * c, r, c, factor, isMasked);
    const whole = { row: 0, column: 0, rows, columns };
    data.set(pixels(grid, whole, { scale: tiles.scale, root, dark }), tile * rows * columns);
  }
  return { data, rows, columns };
}

/**
 * The strongest cell of a thumbnail away from special tokens: displayed row and column where it
 * begins, and its value.
 * @param {Frame} frame
 * @param {number} tile
 * @returns {{ query: number, key: number, value: number } | null}
 */
export function strongestOfTile(frame, tile) {
  const { tiles } = frame.arrays;
  const [, rows, columns] = tiles.shape;
  const [pq, pk] = /** @type {[number, number]} */ (frame.pool ?? [1, 1]);
  const special = (
    /** @type {number[]} */ marks,
    /** @type {number} */ from,
    /** @type {number} */ n,
  ) => {
    for (let i = from; i < Math.min(marks.length, from + n); i++) if (!marks[i]) return false;
    return true;
  };
  let best = null;
  for (let r = 0; r < rows; r++) {
    if (special(frame.queries.special, r * pq, pq)) continue;
    for (let c = 0; c < columns; c++) {
      if (special(frame.keys.special, c * pk, pk)) continue;
      const value = valueAt(tiles, (tile * rows + r) * columns + c);
      if (!best || value > best.value) best = { query: r * pq, key: c * pk, value };
    }
  }
  return best;
}
