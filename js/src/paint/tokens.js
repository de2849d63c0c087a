// Tokens on a canvas: their text, shortened to fit, and marks for hover, pin, match and focus. Text
// goes to fillText only.
import { tokenText } from "../format.js";
import { setFont, write } from "./canvas.js";

/** @typedef {import("../view-types.js").Look} Look */
/** @typedef {CanvasRenderingContext2D} Context */

/**
 * @typedef {Object} TokenStyle
 * @property {CanvasTextAlign} align
 * @property {number} size
 * @property {number} room widest it may be, in CSS pixels
 * @property {boolean} [special]
 * @property {boolean} [hover]
 * @property {boolean} [pinned]
 * @property {boolean} [found]
 * @property {boolean} [focus] the keyboard is here
 */

export const PAD = 5;

/** @type {Map<string, number>} */
const widths = new Map();

/**
 * @param {Context} ctx with its font set
 * @param {string} text
 */
export function textWidth(ctx, text) {
  const key = `${ctx.font}|${text}`;
  let width = widths.get(key);
  if (width === undefined) {
    if (widths.size > 20_000) widths.clear();
    width = ctx.measureText(text).width;
    widths.set(key, width);
  }
  return width;
}

/**
 * A token's text, cut in the middle until it fits.
 * @param {Context} ctx with its font set
 * @param {string} token
 * @param {number} room
 */
export function fitted(ctx, token, room) {
  const whole = tokenText(token);
  if (textWidth(ctx, whole) <= room) return whole;
  for (let letters = Math.min(30, whole.length - 1); letters > 2; letters--) {
    const cut = tokenText(token, letters);
    if (textWidth(ctx, cut) <= room) return cut;
  }
  return "…";
}

/**
 * The widest of these tokens, as drawn.
 * @param {Context} ctx
 * @param {string} font family
 * @param {string[]} tokens
 * @param {number} size
 */
export function widest(ctx, font, tokens, size) {
  ctx.font = `400 ${size}px ${font}`;
  let most = 0;
  for (const token of tokens) most = Math.max(most, textWidth(ctx, tokenText(token)));
  return most;
}

/**
 * Draw one token with its state: hover = fill behind it, pinned = ink pill, found = accent
 * underline.
 * @param {Context} ctx
 * @param {Look} look
 * @param {string} token
 * @param {number} x where the text is aligned
 * @param {number} y middle of its row
 * @param {TokenStyle} style
 */
export function paintToken(ctx, look, token, x, y, style) {
  setFont(
    ctx,
    look,
    style.special ? Math.max(10, style.size - 2) : style.size,
    style.pinned ? 600 : 400,
  );
  const text = fitted(ctx, token, style.room);
  const width = textWidth(ctx, text);
  const start = style.align === "right" ? x - width : style.align === "center" ? x - width / 2 : x;
  const half = Math.min(10, style.size * 0.77);
  if (style.pinned || style.hover) {
    ctx.fillStyle = style.pinned ? look.ink : look.fill;
    pill(ctx, start - PAD, y - half, width + 2 * PAD, 2 * half);
    ctx.fill();
  }
  if (style.focus) {
    ctx.strokeStyle = look.accent;
    ctx.lineWidth = 2;
    pill(ctx, start - PAD - 2, y - half - 2, width + 2 * PAD + 4, 2 * half + 4);
    ctx.stroke();
  }
  const colour = style.pinned ? look.paper : style.special ? look.ink3 : look.ink;
  write(ctx, text, x, y + 0.5, style.align, colour);
  if (style.found) {
    ctx.fillStyle = look.accent;
    ctx.fillRect(start, y + half - 2, width, 2);
  }
}

/** @param {Context} ctx @param {number} x @param {number} y @param {number} w @param {number} h */
function pill(ctx, x, y, w, h) {
  ctx.beginPath();
  ctx.roundRect(x, y, w, h, 2);
}
