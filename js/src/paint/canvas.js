// Canvas plumbing that every painter needs: size in device pixels, fonts, pixel-exact hairlines.

/** @typedef {import("../view-types.js").Look} Look */
/** @typedef {CanvasRenderingContext2D} Context */

/**
 * Give a canvas a size in CSS pixels; return its context, cleared and scaled to CSS pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {number} width
 * @param {number} height
 * @param {number} ratio device pixels per CSS pixel
 */
export function prepared(canvas, width, height, ratio) {
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
  }
  canvas.style.width = `${width}px`;
  canvas.style.height = `${height}px`;
  const ctx = /** @type {Context} */ (canvas.getContext("2d"));
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.globalAlpha = 1;
  ctx.clearRect(0, 0, w, h);
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.textBaseline = "middle";
  return ctx;
}

/**
 * @param {Context} ctx
 * @param {Look} look
 * @param {number} size
 * @param {number} [weight]
 */
export function setFont(ctx, look, size, weight = 400) {
  ctx.font = `${weight} ${size}px ${look.font}`;
}

/**
 * Write one line of text.
 * @param {Context} ctx
 * @param {string} text
 * @param {number} x
 * @param {number} y middle of the line
 * @param {CanvasTextAlign} align
 * @param {string} colour
 */
export function write(ctx, text, x, y, align, colour) {
  ctx.textAlign = align;
  ctx.fillStyle = colour;
  ctx.fillText(text, x, y);
}

/**
 * The edge of a 1 px line that is sharp on screen.
 * @param {number} v
 */
export const onHalf = (v) => Math.round(v) + 0.5;

/**
 * Make a canvas these pixels.
 * @param {HTMLCanvasElement} canvas
 * @param {Uint32Array} data
 * @param {number} width
 * @param {number} height
 */
export function put(canvas, data, width, height) {
  canvas.width = Math.max(1, width);
  canvas.height = Math.max(1, height);
  const ctx = /** @type {Context} */ (canvas.getContext("2d"));
  const image = ctx.createImageData(canvas.width, canvas.height);
  new Uint32Array(image.data.buffer).set(data);
  ctx.putImageData(image, 0, 0);
}
