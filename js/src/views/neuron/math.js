// One head's channels: their products, in what order they are drawn, where colours are clipped.
// Pure.
import drawing from "../../../../attn_widget/pictures/drawing.json" with { type: "json" };

/** @typedef {import("../../types.js").Frame} Frame */

/**
 * query × key, channel by channel: `(key, channel)`. Each row adds up to the stage `dot`.
 * @param {Frame} frame
 */
export function products(frame) {
  const { q, k } = frame.arrays;
  const [n, d] = k.shape;
  return Float32Array.from({ length: n * d }, (_, i) => q.data[i % d] * k.data[i]);
}

/**
 * Channels in the order in which they are drawn: as they are, or the largest contribution to one
 * key first.
 * @param {Float32Array} product
 * @param {number} d channels
 * @param {number} key
 * @param {boolean} byContribution
 */
export function channelOrder(product, d, key, byContribution) {
  const order = Array.from({ length: d }, (_, c) => c);
  if (byContribution)
    order.sort((a, b) => Math.abs(product[key * d + b]) - Math.abs(product[key * d + a]));
  return order;
}

/**
 * The 99th percentile of |x|: where colours are clipped.
 * @param {Iterable<number>} values
 */
export function clip99(values) {
  const sorted = Float32Array.from(values, Math.abs).sort();
  return (
    sorted[
      Math.min(sorted.length - 1, Math.floor((sorted.length * drawing.clip_percentile) / 100))
    ] || 1
  );
}
