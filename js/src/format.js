// Numbers as they stand on screen. Pure.

const MINUS = "\u2212";
const DIRECTIONS = /[\u200e\u200f\u202a-\u202e\u2066-\u2069]/g; // would turn the line around them
const ZERO_WIDTH = /[\u200b-\u200d\u2060-\u2064\ufeff]/g;

/**
 * @param {number} value
 * @param {number} digits after the point
 */
export function fixed(value, digits) {
  if (!Number.isFinite(value))
    return Number.isNaN(value) ? "not a number" : value > 0 ? "∞" : `${MINUS}∞`;
  const text = value.toFixed(digits);
  return text.startsWith("-") ? (Number(text) === 0 ? text.slice(1) : MINUS + text.slice(1)) : text;
}

/**
 * A number that is only known to one byte: rounded, and marked so.
 * @param {number} value
 */
export const rounded = (value) => `≈ ${fixed(value, 2)}`;

/**
 * @param {number} share 0 to 1
 * @param {number} [digits]
 */
export const percent = (share, digits = 1) => `${fixed(100 * share, digits)} %`;

/** @param {number} ms */
export const seconds = (ms) => `${fixed(ms / 1000, ms < 99_950 ? 1 : 0)} s`;

/** @param {number} n */
export const count = (n) => n.toLocaleString("en-US");

/** A number of things, one of which is not many. @param {number} n @param {string} thing */
export const many = (n, thing) => `${count(n)} ${thing}${n === 1 ? "" : "s"}`;

/**
 * A token for a line of text: spaces and line breaks are shown, long ones cut in the middle.
 * @param {string} token
 * @param {number} [longest] characters
 */
export function tokenText(token, longest = 32) {
  const shown = token
    .replace(/\n/g, "⏎")
    .replace(/\t/g, "⇥")
    .replace(/\r/g, "␍")
    .replace(DIRECTIONS, "");
  const blank = shown.replace(ZERO_WIDTH, "");
  const visible = blank.trim() ? shown : blank ? "␣".repeat(Math.min(blank.length, 4)) : "∅";
  const letters = [...visible];
  if (letters.length <= longest) return visible;
  const half = Math.floor((longest - 1) / 2);
  return `${letters.slice(0, half).join("")}…${letters.slice(-half).join("")}`;
}
