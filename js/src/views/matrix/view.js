// The matrix view: every query by every key as a heat map, with zoom, pan and a cross-hair.
import drawing from "../../../../attn_widget/pictures/drawing.json" with { type: "json" };
import { prepared } from "../../paint/canvas.js";
import { paintCells, pixels } from "../../paint/heatmap.js";
import { pooled } from "../../paint/pooling.js";
import { strongestIn, visibleGrid } from "../shared/parts.js";
import { covers, regionOf } from "../../wire/regions.js";
import { matrixHit, matrixLayout } from "./layout.js";
import { paintAxisNames, paintLabels, paintMarks, paintOpen } from "./marks.js";
import { widest } from "../../paint/tokens.js";
import { found } from "../shared/find.js";
import { maskOf, poolOf } from "../shared/masking.js";
import { memo } from "../../memo.js";
import { focusOf, rowsOf } from "../shared/selection.js";
import { describeMatrix } from "./words.js";
import { listen } from "../shared/pointer.js";
import { createZoom } from "./zoom.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../types.js").Frame} Frame */
/** @typedef {import("../../view-types.js").Target} Target */
/** @typedef {import("../../types.js").Part} Part */
/** @typedef {import("./layout.js").MatrixLayout} MatrixLayout */

/**
 * @param {import("../../view-types.js").Callbacks} callbacks
 * @param {AbortSignal} signal
 * @returns {import("../../view-types.js").View}
 */
export function matrixView(callbacks, signal) {
  const element = document.createElement("div");
  element.className = "matrix";
  const canvas = document.createElement("canvas");
  const image = document.createElement("canvas");
  element.append(canvas);

  const layoutOf = memo(matrixLayout);
  const gridOf = memo(
    (/** @type {Frame} */ frame, /** @type {number} */ pool, /** @type {number} */ rowPool) => {
      const [rows, columns] = frame.arrays.weights.shape.slice(-2);
      return pooled(frame.arrays.weights, 0, rows, columns, pool, maskOf(frame), rowPool);
    },
  );
  const visibleOf = memo(visibleGrid);
  const imaged = memo(
    /**
     * Not drawn again for a hover.
     * @type {(...values: [import("../../paint/pooling.js").Grid, number, number, number, number,
     *   number, boolean, boolean]) => void}
     */
    (grid, row, column, rows, columns, scale, root, dark) => {
      Object.assign(image, { width: columns, height: rows });
      const to = /** @type {CanvasRenderingContext2D} */ (image.getContext("2d"));
      const data = to.createImageData(columns, rows);
      const part = { row, column, rows, columns };
      new Uint32Array(data.data.buffer).set(pixels(grid, part, { scale, root, dark }));
      to.putImageData(data, 0, 0);
    },
  );
  const measure = (/** @type {string[]} */ text, /** @type {string} */ font) =>
    widest(/** @type {CanvasRenderingContext2D} */ (image.getContext("2d")), font, text, 13);
  const [queryWidth, keyWidth] = [memo(measure), memo(measure)];

  /** @type {boolean | null} what the user chose; null = what suits the size */
  let root = null;
  /** @type {{ layout: MatrixLayout, scene: Scene, part: Part | null, waits: boolean } | null} */
  let now = null;

  listen(canvas, hit, callbacks, signal);
  const layoutAt = (/** @type {number} */ zoom) => now && layoutFor(now.scene, zoom);
  const ratio = () => now?.scene.look.ratio ?? 1;
  const view = createZoom(canvas, layoutAt, ratio, callbacks.onRedraw, signal);

  /** @param {Scene} scene @param {number} zoom */
  function layoutFor({ frame, look, width }, zoom) {
    const [queries, keys] = [
      queryWidth(frame.queries.text, look.font),
      keyWidth(frame.keys.text, look.font),
    ];
    return layoutOf(width, ...size(frame), queries, keys, look.ratio, zoom, poolOf(frame)[0]);
  }

  /** @param {number} x @param {number} y @returns {Target | null} */
  function hit(x, y) {
    if (!now) return null;
    const { layout, scene, part } = now;
    const on = matrixHit(layout, x, y, view.offset);
    if (!on) return null;
    const { pool, rowPool } = layout;
    if (!("side" in on))
      return pairIn(scene, strongestIn(scene.frame, part, pool, on.row, on.column, rowPool));
    const axis = on.side === "query" ? scene.frame.queries : scene.frame.keys;
    const index = on.index * (on.side === "query" ? rowPool : pool);
    return index < axis.text.length ? { side: on.side, index } : null;
  }

  /**
   * The strongest pair of a hovered block, once the pairs in it are known; until then the block.
   * @param {Scene} scene @param {Target | null} target @returns {Target | null}
   */
  function pairIn({ frame, finer }, target) {
    if (!target || !("query" in target) || !target.span || now?.waits) return target;
    const { query: row, key: column, span } = target;
    const block = { row, column, rows: span, columns: span };
    const part = finer(regionOf(frame, 1, block), regionOf(frame, 1, block, 64));
    const pair = part && strongestIn(frame, part, span, row / span, column / span);
    return pair && !pair.span ? pair : target;
  }

  /** @param {Scene} scene */
  function draw(scene) {
    const { frame, traits, look } = scene;
    const layout = layoutFor(scene, view.zoom);
    view.clamp(layout);
    const { x0, y0, cell, tall, pool, visibleRows, visibleColumns } = layout;
    const isRoot = root ?? suitsRoot(frame);
    const scale = frame.arrays.weights.scale;
    const shown = { ...view.offset, rows: visibleRows, columns: visibleColumns };
    const isFine = pool < poolOf(frame)[0]; // finer than the cells of the frame
    const want = regionOf(frame, pool, shown);
    const part = isFine ? scene.finer(want, regionOf(frame, pool, shown, visibleRows >> 2)) : null;
    now = { layout, scene, part, waits: isFine && !covers(part, want) };
    const hover = pairIn(scene, scene.hover);
    const grid = isFine
      ? visibleOf(frame, part, pool, shown.row, shown.column, visibleRows, visibleColumns)
      : gridOf(frame, pool / poolOf(frame)[0], layout.rowPool / poolOf(frame)[0]);
    const cells = isFine ? { ...shown, row: 0, column: 0 } : shown;
    const style = { x0, y0, cell, tall, scale, root: isRoot, dark: look.dark, ink: look.ink3 };
    const placing = { look, layout, offset: view.offset };
    const pins = {
      query: rowsOf(frame.queries, traits.query),
      key: rowsOf(frame.keys, traits.key),
    };

    const ctx = prepared(canvas, layout.width, layout.height, look.ratio);
    if (layout.gaps)
      paintCells(ctx, grid, cells, { ...style, dotted: pool === 1 ? dotsOf(frame) : null });
    else paintImage(ctx, grid, cells, style);
    paintOpen(ctx, placing, frame.arrays.exact);
    paintMarks(ctx, placing, pins, hover);
    if (layout.rowLabel) {
      const common = { hover, focused: scene.focused };
      for (const side of /** @type {const} */ (["query", "key"])) {
        const axis = side === "query" ? frame.queries : frame.keys;
        const marked = found(axis, traits.find);
        paintLabels(ctx, placing, side, {
          ...common,
          axis,
          pins: new Set(pins[side]),
          found: marked,
        });
      }
      if (layout.label) paintAxisNames(ctx, placing);
    }
    const focus = focusOf(frame.queries, frame.keys, traits, hover);
    return describeMatrix(scene, {
      layout,
      waits: now.waits,
      focus,
      root: isRoot,
      scale,
      listed: listLength(layout),
    });
  }

  /**
   * Cells too small for gaps: one image, stretched to whole device pixels.
   * @param {CanvasRenderingContext2D} ctx
   * @param {import("../../paint/pooling.js").Grid} grid
   * @param {{ row: number, column: number, rows: number, columns: number }} part
   * @param {{ x0: number, y0: number, cell: number, tall: number, scale: number, root: boolean,
   *   dark: boolean }} style
   */
  function paintImage(
    ctx,
    grid,
    { row, column, rows, columns },
    { x0, y0, cell, tall, scale, root, dark },
  ) {
    if (!rows || !columns) return;
    imaged(grid, row, column, rows, columns, scale, root, dark);
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(image, x0, y0, columns * cell, rows * tall);
  }

  /** @param {string} key */
  function press(key) {
    if (!now || !["+", "=", "-", "_"].includes(key)) return false;
    view.byKey("+=".includes(key) ? 1 : -1);
    return true;
  }

  function toggleScale() {
    if (!now) return;
    root = !(root ?? suitsRoot(now.scene.frame));
    callbacks.onRedraw();
  }

  return { element, surface: canvas, draw, press, toggleScale };
}

/** Displayed rows and columns. @param {Frame} frame @returns {[number, number]} */
const size = ({ queries, keys }) => [queries.text.length, keys.text.length];

/** @param {Frame} frame */
const suitsRoot = (frame) =>
  frame.unit !== "flow" && Math.max(...size(frame)) > drawing.root_scale_above;

/** How many of the strongest fit beside the picture. @param {MatrixLayout} layout */
const listLength = (layout) =>
  layout.side ? Math.max(5, Math.min(12, Math.floor((layout.height - 120) / 20))) : 6;

/** @param {Frame} frame */
function dotsOf(frame) {
  const { saturated } = frame.arrays;
  if (!saturated) return null;
  const columns = saturated.shape[1];
  return (/** @type {number} */ row, /** @type {number} */ column) =>
    !!saturated.data[row * columns + column];
}
