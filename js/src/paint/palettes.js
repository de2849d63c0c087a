// The colours of data: heads, the sequential and the diverging scale. The tables are in drawing.json, which Python reads too.
import drawing from "../../../attn_widget/pictures/drawing.json" with { type: "json" };
import { css } from "./color.js";

/** @typedef {import("./color.js").Triple} Triple */

export const HEADS = drawing.heads;
export const MANY_HEADS = HEADS.light.length;

/** @type {Map<string, { bytes: Triple[], css: string[], pixels: Uint32Array }>} */
const tables = new Map();

/** @param {boolean} dark */
export const themeOf = (dark) => drawing.themes[dark ? "dark" : "light"];

/**
 * The 256 colours of a scale.
 * @param {"sequential" | "diverging"} name
 * @param {boolean} dark
 */
export function scaleTable(name, dark) {
  const key = `${name} ${dark}`;
  let entry = tables.get(key);
  if (!entry) {
    const digits = drawing[name][dark ? "dark" : "light"];
    const bytes = Array.from(
      { length: 256 },
      (_, i) =>
        /** @type {Triple} */ ([0, 2, 4].map((at) => parseInt(digits.substr(6 * i + at, 2), 16))),
    );
    // Canvas pixels as one little-endian number each: opacity, blue, green, red.
    const pixels = Uint32Array.from(
      bytes,
      ([r, g, b]) => ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0,
    );
    entry = { bytes, css: bytes.map(css), pixels };
    tables.set(key, entry);
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

/** The colour of a lane that joins the heads. @param {boolean} dark */
export const jointColour = (dark) => scaleTable("sequential", dark).css[drawing.joint_colour];

/**
 * Colours by head: up to 16 heads have one each; above, the colours go to the heads that are on, by index, while there
 * are at most 16 of them; with more, all have one ink and only a highlighted head has a colour.
 * @param {number} nHeads
 * @param {number[]} on
 * @param {boolean} dark
 * @param {string} ink
 * @param {number | null} [highlighted] the head whose toggle is hovered
 * @returns {(head: number) => string}
 */
export function headColours(nHeads, on, dark, ink, highlighted = null) {
  const colours = HEADS[dark ? "dark" : "light"].map((hex) => `#${hex}`);
  if (nHeads <= MANY_HEADS) return (head) => colours[head % MANY_HEADS];
  if (on.length <= MANY_HEADS) {
    const order = new Map([...on].sort((a, b) => a - b).map((head, i) => [head, colours[i]]));
    return (head) => order.get(head) ?? ink;
  }
  return (head) => (head === highlighted ? colours[head % MANY_HEADS] : ink);
}
