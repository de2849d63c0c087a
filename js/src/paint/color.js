// Colours as numbers: hexadecimal, sRGB bytes, contrast (WCAG 2). Pure.

/** @typedef {[number, number, number]} Triple */

/**
 * @param {string} hex "#rrggbb" or "rrggbb"
 * @returns {Triple} bytes
 */
export function rgb(hex) {
  const n = parseInt(hex.replace("#", ""), 16);
  return [n >> 16, (n >> 8) & 255, n & 255];
}

/** @param {Triple} bytes */
export const css = ([r, g, b]) => `rgb(${r},${g},${b})`;

/** @param {number} byte */
const linear = (byte) => {
  const c = byte / 255;
  return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
};

/** @param {Triple} bytes */
export const luminance = ([r, g, b]) =>
  0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);

/**
 * WCAG 2 contrast, 1 to 21.
 * @param {Triple} one
 * @param {Triple} other
 */
export function contrast(one, other) {
  const [low, high] = [luminance(one), luminance(other)].sort((x, y) => x - y);
  return (high + 0.05) / (low + 0.05);
}

/**
 * Black or white, whichever reads better on this colour.
 * @param {Triple} bytes
 */
export const inkOn = (bytes) =>
  contrast(bytes, [255, 255, 255]) >= contrast(bytes, [0, 0, 0]) ? "#fff" : "#000";

/**
 * The bytes of a CSS colour as the browser reports it; null for anything else.
 * @param {string} text
 * @returns {[number, number, number, number] | null} the last is opacity, 0 to 1
 */
export function parseCss(text) {
  const hex = /^#([0-9a-f]{6})$/i.exec(text.trim());
  if (hex) return [...rgb(hex[1]), 1];
  const match = /^rgba?\(([^)]+)\)$/.exec(text.trim());
  if (!match) return null;
  const [r, g, b, a = 1] = match[1].split(/[\s,/]+/).map(Number);
  return [r, g, b, a];
}
