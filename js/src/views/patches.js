// An image under its patches: each shaded by its share, the pinned one outlined.
import { onHalf, prepared } from "../draw/canvas.js";
import { sequential } from "../draw/palettes.js";
import { rowsOf } from "../selection.js";
import { listen } from "./pointer.js";

/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("../types.js").Scene} Scene */

/**
 * The patch at a point.
 * @param {[number, number]} grid rows and columns
 * @param {number} first the row of the first patch
 * @param {number} width
 * @param {number} height
 * @param {number} x
 * @param {number} y
 * @returns {number | null} displayed row
 */
export function patchAt([rows, columns], first, width, height, x, y) {
  const [row, column] = [Math.floor((y / height) * rows), Math.floor((x / width) * columns)];
  return row >= 0 && column >= 0 && row < rows && column < columns ? first + row * columns + column : null;
}

/**
 * @param {Frame} frame with an image
 * @param {import("../types.js").Callbacks} callbacks
 * @param {AbortSignal} signal
 */
export function pictureOf(frame, callbacks, signal) {
  const grid = frame.grid ?? [1, 1];
  const first = Math.max(0, frame.keys.special.indexOf(0)); // what is special stands before the patches
  const [height, width] = frame.arrays.image?.shape ?? [16 * grid[0], 16 * grid[1]];
  const element = document.createElement("canvas");
  element.className = "patches";
  element.setAttribute("role", "img");
  const image = document.createElement("canvas");
  image.width = width;
  image.height = height;
  if (frame.arrays.image) {
    const to = /** @type {CanvasRenderingContext2D} */ (image.getContext("2d"));
    const pixels = to.createImageData(width, height);
    const rgb = frame.arrays.image.data;
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = rgb[3 * i + c];
      pixels.data[4 * i + 3] = 255;
    }
    to.putImageData(pixels, 0, 0);
  }
  let shown = { width: 1, height: 1 };
  listen(
    element,
    (x, y) => {
      const index = patchAt(grid, first, shown.width, shown.height, x, y);
      return index === null ? null : { side: "query", index };
    },
    callbacks,
    signal,
  );

  return {
    element,
    /**
     * @param {Scene} scene
     * @param {import("./text-words.js").TextFocus | null} focus
     * @param {{ at: (row: number) => number, largest: number } | null} shade
     */
    draw(scene, focus, shade) {
      const { look, traits } = scene;
      const scale = Math.min(scene.width, 420) / Math.max(width, height);
      shown = { width: Math.round(width * scale), height: Math.round(height * scale) };
      const ctx = prepared(element, shown.width, shown.height, look.ratio);
      ctx.drawImage(image, 0, 0, shown.width, shown.height);
      const [rows, columns] = grid;
      const [w, h] = [shown.width / columns, shown.height / rows];
      const box = (/** @type {number} */ row) => {
        const at = row - first;
        return /** @type {const} */ ([(at % columns) * w, Math.floor(at / columns) * h]);
      };
      if (focus && shade) {
        ctx.globalAlpha = 0.55;
        ctx.fillStyle = look.paper;
        ctx.fillRect(0, 0, shown.width, shown.height);
        for (let row = first; row < first + rows * columns; row++) {
          const t = shade.at(row) / (shade.largest || 1);
          if (t < 0.1) continue;
          const [x, y] = box(row);
          ctx.globalAlpha = 0.75 * t;
          ctx.fillStyle = sequential(0.62, look.dark);
          ctx.fillRect(x, y, w, h);
        }
        ctx.globalAlpha = 1;
      }
      const own = focus?.pinned
        ? focus.rows
        : [...rowsOf(scene.frame.queries, traits.query), ...(focus?.rows ?? [])];
      for (const row of own) {
        if (row < first || row >= first + rows * columns) continue;
        const [x, y] = box(row);
        ctx.strokeStyle = look.ink;
        ctx.lineWidth = 2;
        ctx.strokeRect(onHalf(x), onHalf(y), Math.round(w), Math.round(h));
      }
    },
  };
}
