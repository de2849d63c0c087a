// Tokens without text: patches over their picture, frames of sound along time. Shaded, the pinned
// one outlined.
import { patchArea, soundArea } from "./layout.js";
import { prepared, setFont, write } from "../../paint/canvas.js";
import { hatch } from "../../paint/heatmap.js";
import { isSelf } from "../shared/text-spans.js";
import { rowsOf } from "../shared/selection.js";
import { listen } from "../shared/pointer.js";

/** @typedef {import("../../types.js").Frame} Frame */
/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("./layout.js").Area} Area */

const LIST = 248; // reserved beside the picture, so that nothing moves when a hover shows the list

/** @param {Frame} frame */
function imageOf({ arrays: { image } }) {
  const canvas = document.createElement("canvas");
  if (!image) return canvas;
  const [height, width] = image.shape;
  Object.assign(canvas, { width, height });
  const to = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const pixels = to.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    pixels.data.set(image.data.subarray(3 * i, 3 * i + 3), 4 * i);
    pixels.data[4 * i + 3] = 255;
  }
  to.putImageData(pixels, 0, 0);
  return canvas;
}

/**
 * @param {Frame} frame whose keys are patches or frames
 * @param {import("../../view-types.js").Callbacks} callbacks
 * @param {AbortSignal} signal
 */
export function areaOf(frame, callbacks, signal) {
  const { grid, keys, arrays } = frame;
  const first = Math.max(0, keys.special.indexOf(0)); // what is special stands before the patches
  const element = document.createElement("canvas");
  element.className = "area";
  element.setAttribute("role", "img");
  const image = imageOf(frame);
  const [height, width] = arrays.image?.shape ?? (grid ?? [1, 1]).map((n) => 16 * n);
  const side = isSelf(frame) ? "query" : "key";
  /** @type {Area | null} */
  let area = null;
  listen(
    element,
    (x, y) => {
      const at = area ? area.at(x, y) : null;
      return at === null ? null : { side, index: first + at };
    },
    callbacks,
    signal,
  );

  return {
    element,
    /**
     * @param {Scene} scene
     * @param {import("./words.js").TextFocus | null} focus
     * @param {{ at: (row: number) => number, largest: number } | null} shade of the keys, or of the
     *   queries where they are these
     * @param {string} tint the colour of the largest value
     */
    draw({ frame: now, look, traits, hover, width: room }, focus, shade, tint) {
      area = grid
        ? patchArea(grid, width, height, room)
        : soundArea(keys.text.length - first, now.seconds ?? 1, room < 600 ? room : room - LIST);
      const ctx = prepared(element, area.width, area.height, look.ratio);
      if (grid) ctx.drawImage(image, 0, 0, area.width, area.height);
      setFont(ctx, look, 11);
      for (const { x, y, text } of area.ticks) {
        ctx.fillStyle = look.rule2;
        ctx.fillRect(Math.round(x), y, 1, 4);
        write(ctx, text, x, y + 11, "left", look.ink3);
      }
      for (let i = 0; i < area.count; i++) {
        const [x, y, w, h] = area.box(i);
        const t = shade ? shade.at(first + i) / (shade.largest || 1) : 0;
        ctx.globalAlpha = 1;
        if (!grid || shade) {
          if (grid) ctx.globalAlpha = 0.55; // paler, so that the shade is visible
          ctx.fillStyle = grid ? look.paper : look.fill;
          ctx.fillRect(x, y, w, h);
        }
        if (Number.isNaN(t)) hatch(ctx, x, y, w, h, look.ink3, 4);
        if (!(t >= 0.1)) continue;
        ctx.globalAlpha = t;
        ctx.fillStyle = tint;
        ctx.fillRect(x, y, w, h);
      }
      ctx.globalAlpha = 1;
      const both = side === "query";
      const pins = new Set([
        ...(both ? rowsOf(now.queries, traits.query) : []),
        ...rowsOf(now.keys, traits.key),
        ...(both && focus ? focus.rows : []),
        ...(hover && "side" in hover && hover.side === side ? [hover.index] : []),
      ]);
      for (const row of pins) {
        if (row < first || row >= first + area.count) continue;
        const [x, y, w, h] = area.box(row - first);
        for (const [colour, grow] of /** @type {const} */ ([
          [look.paper, 1],
          [look.ink, 0],
        ])) {
          ctx.strokeStyle = colour;
          ctx.lineWidth = 2;
          const [left, top] = [x - grow * 2, y - grow * 2];
          ctx.strokeRect(left + 1, top + 1, Math.max(4, w) - 2 + 4 * grow, h - 2 + 4 * grow);
        }
      }
    },
  };
}
