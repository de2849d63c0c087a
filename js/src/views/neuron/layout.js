// Positions of the columns of the neuron view, and what is at a point. Pure.

export const HEADER = 72; // names of the columns and the query's own row, above the keys
const VIEWPORT_ROWS = 36;

/**
 * @typedef {Object} NeuronLayout
 * @property {number} width
 * @property {number} height of the canvas
 * @property {number} contentHeight
 * @property {boolean} scrolls
 * @property {number} row
 * @property {number} room widest a token may be
 * @property {number} channel width of a channel
 * @property {number | null} xKey left edge of the key's channels; null where there is room for the
 *   product alone
 * @property {number} xProduct
 * @property {number} strip width of all channels
 * @property {{ name: string, x: number }[]} numbers right edges of the columns of numbers
 * @property {number} xBar
 * @property {number} bar
 * @property {number} xWeight right edge
 */

/**
 * @param {number} width
 * @param {number} nKeys
 * @param {number} channels
 * @param {number} widestToken
 * @param {string} names of the columns of numbers, joined by |
 * @param {number} ratio device pixels per CSS pixel
 * @returns {NeuronLayout}
 */
export function neuronLayout(width, nKeys, channels, widestToken, names, ratio) {
  const columns = names.split("|");
  const used = Math.min(width, 1100);
  const room = Math.min(used < 600 ? 76 : 120, Math.max(48, 1.1 * widestToken + 2));
  const left = Math.max(84, room + 20);
  const narrow = used < 700;
  const step = narrow ? 54 : columns.length > 3 ? 60 : 69;
  const shown = narrow ? columns.slice(-1) : columns;
  const right = shown.length * step + 28 + (narrow ? 40 : 110) + 54;
  const strips = narrow ? 1 : 2;
  const roomForStrips = used - left - right - (narrow ? 8 : 28) - 4;
  const ideal = Math.min(narrow ? 5 : 6, roomForStrips / strips / channels);
  const channel = Math.max(1, Math.floor(ideal * ratio)) / ratio;
  const strip = Math.min(channels * channel, Math.max(60, roomForStrips / strips));
  const xProduct = narrow ? left : left + strip + 28;
  let x = xProduct + strip;
  const numbers = shown.map((name) => ({ name, x: (x += step) }));
  const xBar = x + 28;
  const xWeight = Math.min(used - 4, xBar + (narrow ? 94 : 210));
  const scrolls = nKeys > 150;
  const row = nKeys > 40 ? 17 : 23;
  const contentHeight = HEADER + nKeys * row + 34;
  const height = scrolls ? HEADER + VIEWPORT_ROWS * row : contentHeight;
  const bar = Math.max(20, xWeight - 52 - xBar);
  return {
    width: used,
    height,
    contentHeight,
    scrolls,
    row,
    room,
    channel,
    xKey: narrow ? null : left,
    xProduct,
    strip,
    numbers,
    xBar,
    bar,
    xWeight,
  };
}

/**
 * The key row and channel at a point.
 * @param {NeuronLayout} layout
 * @param {number} x
 * @param {number} y
 * @param {number} scroll
 * @param {number} nKeys
 * @param {number} channels
 * @returns {{ key: number, place: number | null, onToken: boolean } | null} `place`: which drawn
 *   channel
 */
export function neuronHit({ row, xKey, xProduct, strip, channel }, x, y, scroll, nKeys, channels) {
  const key = Math.floor((y - HEADER + scroll) / row);
  if (y < HEADER || key >= nKeys) return null;
  for (const start of [xKey, xProduct]) {
    if (start === null || x < start || x >= start + strip) continue;
    return {
      key,
      place: Math.min(channels - 1, Math.floor((x - start) / channel)),
      onToken: false,
    };
  }
  return { key, place: null, onToken: x < (xKey ?? xProduct) };
}
