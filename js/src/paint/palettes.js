// The colours of data: heads, the sequential and the diverging scale, each as a 256-entry table per theme.
import { css, fromOklab, rgb, toOklab } from "./color.js";

/** @typedef {import("./color.js").Triple} Triple */

/** @param {string} text */
const list = (text) => text.split(" ");

export const HEADS = {
  light: list(
    "036095 ea6d1b a979fb 951301 a22480 6b6901 b97fa3 5a94cf 4e32ae 87984f 178576 6a3559 9d5d4e d64178 8357c7 005a2f",
  ),
  dark: list(
    "60c5ff f68e0a d1d3fc c96d52 fe8bdd 6d8706 a267a9 0394d3 706bf1 c9cb22 70f1cd c197a9 f1bc99 de3c7f af8efd 25be71",
  ),
};

const SEQUENTIAL = {
  light: list("f2f8fc bfe0f9 94c6f1 72aae4 598ed0 4972b5 3d5895 324070 262b48"),
  dark: list("171921 202e4c 274676 2c619c 357ebc 4b9dd5 6fbbe8 9dd7f5 d3f1fd"),
};

const DIVERGING = {
  light: list("974c12 b17652 c9a088 e1cbbe f7f7f7 c4d1e4 93acd0 6387bc 3463a6"),
  dark: list("fba773 bd815d 835d46 4d3b31 1c1c1c 36404f 516889 6e93c8 97c0fc"),
};

export const MANY_HEADS = HEADS.light.length;

/**
 * 256 colours through these stops, straight lines in OKLab.
 * @param {string[]} stops
 * @returns {Triple[]}
 */
export function table(stops) {
  const labs = stops.map((stop) => toOklab(rgb(stop)));
  return Array.from({ length: 256 }, (_, i) => {
    const t = (i / 255) * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(t));
    const f = t - k;
    return fromOklab(
      /** @type {Triple} */ (labs[k].map((from, axis) => from + (labs[k + 1][axis] - from) * f)),
    );
  });
}

/** @type {Map<string, { bytes: Triple[], css: string[], pixels: Uint32Array }>} */
const made = new Map();

/**
 * @param {"sequential" | "diverging"} name
 * @param {boolean} dark
 */
export function scaleTable(name, dark) {
  const key = `${name} ${dark}`;
  let entry = made.get(key);
  if (!entry) {
    const stops = (name === "sequential" ? SEQUENTIAL : DIVERGING)[dark ? "dark" : "light"];
    const bytes = table(stops);
    // Canvas pixels as one little-endian number each: opacity, blue, green, red.
    const pixels = Uint32Array.from(
      bytes,
      ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0,
    );
    entry = { bytes, css: bytes.map(css), pixels };
    made.set(key, entry);
  }
  return entry;
}

/**
 * The sequential colour of a value between 0 and 1.
 * @param {number} t
 * @param {boolean} dark
 */
export function sequential(t, dark) {
  return scaleTable("sequential", dark).css[Math.max(0, Math.min(255, Math.round(t * 255)))];
}

/**
 * Colours by head: its own up to 16 heads; above, colours go to the heads that are on, by index, while at
 * most 16 are; with more, all take one ink and only a lit head has a colour.
 * @param {number} nHeads
 * @param {number[]} on
 * @param {boolean} dark
 * @param {string} ink
 * @param {number | null} [lit] the head whose square is hovered
 * @returns {(head: number) => string}
 */
export function headColours(nHeads, on, dark, ink, lit = null) {
  const colours = HEADS[dark ? "dark" : "light"].map((hex) => `#${hex}`);
  if (nHeads <= MANY_HEADS) return (head) => colours[head % MANY_HEADS];
  if (on.length <= MANY_HEADS) {
    const order = new Map([...on].sort((a, b) => a - b).map((head, i) => [head, colours[i]]));
    return (head) => order.get(head) ?? ink;
  }
  return (head) => (head === lit ? colours[head % MANY_HEADS] : ink);
}
