// Colours as numbers: hex, sRGB bytes, OKLab (Ottosson 2020), contrast (WCAG 2). Pure.

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

/** @param {number} c */
const byteOf = (c) => {
  const clipped = Math.min(1, Math.max(0, c));
  return Math.round(
    255 * (clipped <= 0.0031308 ? clipped * 12.92 : 1.055 * clipped ** (1 / 2.4) - 0.055),
  );
};

/**
 * @param {Triple} bytes
 * @returns {Triple} lightness, a, b
 */
export function toOklab([red, green, blue]) {
  const [r, g, b] = [linear(red), linear(green), linear(blue)];
  const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return [
    0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
    1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s,
    0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s,
  ];
}

/**
 * @param {Triple} lab
 * @returns {Triple} bytes
 */
export function fromOklab([lightness, a, b]) {
  const l = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const m = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const s = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    byteOf(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s),
    byteOf(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
    byteOf(-0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s),
  ];
}

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
