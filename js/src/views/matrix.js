// The matrix view: every query by every key as a heat map, with zoom, pan and a cross-hair.
import { prepared, setFont, write } from "../draw/canvas.js";
import { hatch, openRows, paintCells, pixels, pooled } from "../draw/heatmap.js";
import { matrixHit, matrixLayout, scaleOf, zoomed } from "../draw/matrix-layout.js";
import { paintToken, widest } from "../draw/tokens.js";
import { valueAt } from "../protocol.js";
import { found } from "../find.js";
import { memo } from "../memo.js";
import { focusOf, rowsOf } from "../selection.js";
import { describeMatrix } from "./matrix-words.js";
import { listen } from "./pointer.js";

/** @typedef {import("../types.js").Scene} Scene */
/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("../types.js").Target} Target */
/** @typedef {import("../draw/matrix-layout.js").MatrixLayout} MatrixLayout */

const ROOT_FROM = 64; // shares spread over more tokens than this are seen better on a √ scale

/**
 * @param {import("../types.js").Callbacks} callbacks
 * @param {AbortSignal} signal
 * @returns {import("../types.js").View}
 */
export function matrixView(callbacks, signal) {
  const element = document.createElement("div");
  element.className = "matrix";
  const canvas = document.createElement("canvas");
  const image = document.createElement("canvas");
  element.append(canvas);

  const layoutOf = memo(matrixLayout);
  const gridOf = memo((/** @type {Frame} */ frame, /** @type {number} */ pool) =>
    pooled(frame.arrays.weights, 0, ...size(frame), pool, masking(frame)),
  );
  const measure = (/** @type {string[]} */ text, /** @type {string} */ font) =>
    widest(/** @type {CanvasRenderingContext2D} */ (image.getContext("2d")), font, text, 13);
  const [queryWidth, keyWidth] = [memo(measure), memo(measure)];

  let zoom = 0;
  let offset = { row: 0, column: 0 };
  /** @type {boolean | null} */
  let root = null;
  /** @type {{ layout: MatrixLayout, scene: Scene } | null} */
  let now = null;

  listen(canvas, hit, callbacks, signal);
  canvas.addEventListener("wheel", onWheel, { signal, passive: false });
  canvas.addEventListener("pointerdown", onDown, { signal });

  /** @param {number} x @param {number} y @returns {Target | null} */
  function hit(x, y) {
    if (!now) return null;
    const { layout, scene } = now;
    const on = matrixHit(layout, x, y, offset);
    if (!on) return null;
    if ("side" in on) {
      const axis = on.side === "query" ? scene.frame.queries : scene.frame.keys;
      return on.index < axis.text.length ? on : null;
    }
    return strongestIn(scene.frame, layout.pool, on.row, on.column);
  }

  /** @param {Scene} scene */
  function draw(scene) {
    const { frame, traits, look, width } = scene;
    const [nRows, nColumns] = size(frame);
    const layout = layoutOf(
      width,
      nRows,
      nColumns,
      queryWidth(frame.queries.text, look.font),
      keyWidth(frame.keys.text, look.font),
      look.ratio,
      zoom,
    );
    now = { layout, scene };
    clamp(layout);
    const { x0, y0, cell, pool, visibleRows, visibleColumns } = layout;
    const isRoot = root ?? (frame.unit !== "flow" && Math.max(nRows, nColumns) > ROOT_FROM);
    const scale = frame.arrays.weights.scale;
    const grid = gridOf(frame, pool);
    const part = { ...offset, rows: visibleRows, columns: visibleColumns };
    const ctx = prepared(canvas, layout.width, layout.height, look.ratio);
    const style = { x0, y0, cell, scale, root: isRoot, dark: look.dark, ink: look.ink3 };
    if (layout.gaps) paintCells(ctx, grid, part, { ...style, dotted: pool === 1 ? dotsOf(frame) : null });
    else paintImage(ctx, grid, part, style);
    paintOpen(ctx, frame, layout, look);

    const focus = focusOf(frame.queries, frame.keys, traits, scene.hover);
    paintMarks(ctx, scene, layout);
    if (layout.label) paintLabels(ctx, scene, layout);
    return describeMatrix(scene, { layout, focus, root: isRoot, scale, listed: listLength(layout) });
  }

  /** @param {CanvasRenderingContext2D} ctx @param {ReturnType<typeof pooled>} grid @param {any} part @param {any} style */
  function paintImage(ctx, grid, part, style) {
    if (!part.rows || !part.columns) return;
    image.width = part.columns;
    image.height = part.rows;
    const to = /** @type {CanvasRenderingContext2D} */ (image.getContext("2d"));
    const data = to.createImageData(part.columns, part.rows);
    new Uint32Array(data.data.buffer).set(pixels(grid, part, { ...style, missing: 0xff8888ff }));
    to.putImageData(data, 0, 0);
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(image, style.x0, style.y0, part.columns * style.cell, part.rows * style.cell);
  }

  /**
   * Rows that wait for their exact values: pale, hatched, under an accent line.
   * @param {CanvasRenderingContext2D} ctx @param {Frame} frame @param {MatrixLayout} layout @param {import("../types.js").Look} look
   */
  function paintOpen(ctx, frame, layout, look) {
    const { x0, y0, cell, visibleRows, visibleColumns } = layout;
    for (const [from, to] of openRows(frame.arrays.exact, layout.pool)) {
      const first = Math.max(from, offset.row) - offset.row;
      const last = Math.min(to, offset.row + visibleRows) - offset.row;
      if (last <= first) continue;
      const [y, w, h] = [y0 + first * cell, visibleColumns * cell, (last - first) * cell];
      ctx.globalAlpha = 0.7;
      ctx.fillStyle = look.paper;
      ctx.fillRect(x0, y, w, h);
      ctx.globalAlpha = 1;
      hatch(ctx, x0, y, w, h, look.hatch);
      if (from > 0 && from >= offset.row) {
        ctx.fillStyle = look.accent;
        ctx.fillRect(x0, y - 1, w, 1.5);
      }
    }
  }

  /** Frames of pinned rows and columns, and the cross-hair. @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {MatrixLayout} layout */
  function paintMarks(ctx, scene, layout) {
    const { frame, traits, look, hover } = scene;
    const { x0, y0, cell, pool, visibleRows, visibleColumns } = layout;
    const seam = layout.gaps ? 1 : 0;
    const box = (
      /** @type {number} */ c,
      /** @type {number} */ r,
      /** @type {number} */ nc,
      /** @type {number} */ nr,
      grow = 1,
    ) =>
      ctx.strokeRect(
        x0 + c * cell - grow - 0.5,
        y0 + r * cell - grow - 0.5,
        nc * cell + 2 * grow + 1 - seam,
        nr * cell + 2 * grow + 1 - seam,
      );
    ctx.save();
    ctx.beginPath();
    ctx.rect(x0 - 3, y0 - 3, visibleColumns * cell + 6, visibleRows * cell + 6);
    ctx.clip();
    ctx.strokeStyle = look.ink;
    ctx.lineWidth = 1.5;
    const cells = (/** @type {number[]} */ rows) => new Set(rows.map((row) => Math.floor(row / pool)));
    for (const row of cells(rowsOf(frame.queries, traits.query))) box(0, row - offset.row, visibleColumns, 1);
    for (const column of cells(rowsOf(frame.keys, traits.key)))
      box(column - offset.column, 0, 1, visibleRows);
    if (hover && "query" in hover) {
      const [c, r] = [
        Math.floor(hover.key / pool) - offset.column,
        Math.floor(hover.query / pool) - offset.row,
      ];
      if (cell < 8) {
        ctx.globalAlpha = 0.3;
        ctx.fillStyle = look.ink;
        ctx.fillRect(x0, y0 + r * cell, visibleColumns * cell, cell);
        ctx.fillRect(x0 + c * cell, y0, cell, visibleRows * cell);
        ctx.globalAlpha = 1;
      }
      box(c, r, 1, 1);
      ctx.strokeStyle = look.paper;
      ctx.lineWidth = 1;
      if (cell >= 8) box(c, r, 1, 1, -1);
    } else if (hover && "side" in hover) {
      ctx.globalAlpha = 0.5;
      if (hover.side === "query") box(0, Math.floor(hover.index / pool) - offset.row, visibleColumns, 1);
      else box(Math.floor(hover.index / pool) - offset.column, 0, 1, visibleRows);
    }
    ctx.restore();
  }

  /** @param {CanvasRenderingContext2D} ctx @param {Scene} scene @param {MatrixLayout} layout */
  function paintLabels(ctx, scene, layout) {
    const { frame, traits, look, hover } = scene;
    const { x0, y0, cell, label } = layout;
    for (const side of /** @type {const} */ (["query", "key"])) {
      const axis = side === "query" ? frame.queries : frame.keys;
      const marked = found(axis, traits.find);
      const pins = new Set(rowsOf(axis, traits[side]));
      const first = side === "query" ? offset.row : offset.column;
      const shown = side === "query" ? layout.visibleRows : layout.visibleColumns;
      for (let i = first; i < Math.min(axis.text.length, first + shown); i++) {
        const at = (i - first) * cell + cell / 2;
        const style = {
          size: label,
          special: !!axis.special[i],
          pinned: pins.has(i),
          found: marked.has(i),
          hover: hover
            ? "side" in hover
              ? hover.side === side && hover.index === i
              : hover[side] === i
            : false,
          focus: scene.focused && pins.has(i),
        };
        if (side === "query") {
          paintToken(ctx, look, axis.text[i], x0 - 12, y0 + at, {
            ...style,
            align: "right",
            room: layout.rowRoom,
          });
          continue;
        }
        ctx.save();
        ctx.translate(x0 + at, y0 - 11);
        ctx.rotate(-Math.PI / 4);
        paintToken(ctx, look, axis.text[i], 0, 0, { ...style, align: "left", room: layout.columnRoom });
        ctx.restore();
      }
    }
    setFont(ctx, look, 11);
    write(ctx, "query ↓", x0 - 12, y0 - 12, "right", look.ink3);
    write(ctx, "key →", x0 - 12, y0 - 30, "right", look.ink3);
  }

  /** @param {MatrixLayout} layout */
  function clamp(layout) {
    const within = (/** @type {number} */ v, /** @type {number} */ most) =>
      Math.max(0, Math.min(Math.round(v), most));
    offset = {
      row: within(offset.row, layout.rows - layout.visibleRows),
      column: within(offset.column, layout.columns - layout.visibleColumns),
    };
  }

  /** Zoom, keeping the point under the pointer where it is. @param {1 | -1} direction @param {number} x @param {number} y */
  function zoomAt(direction, x, y) {
    if (!now) return;
    const { layout, scene } = now;
    const ratio = scene.look.ratio;
    const row = (offset.row + (y - layout.y0) / layout.cell) * layout.pool;
    const column = (offset.column + (x - layout.x0) / layout.cell) * layout.pool;
    const fit = layoutOf(...fitArguments(scene));
    const next = zoomed(layout, ratio, direction);
    zoom = next <= scaleOf(fit, ratio) ? 0 : next;
    const after = layoutOf(...fitArguments(scene, zoom));
    offset = {
      row: row / after.pool - (y - after.y0) / after.cell,
      column: column / after.pool - (x - after.x0) / after.cell,
    };
    clamp(after);
    callbacks.onRedraw();
  }

  /** @param {Scene} scene @param {number} [zoomed] @returns {Parameters<typeof matrixLayout>} */
  function fitArguments({ frame, look, width }, zoomed = 0) {
    const [queries, keys] = [queryWidth(frame.queries.text, look.font), keyWidth(frame.keys.text, look.font)];
    return [width, ...size(frame), queries, keys, look.ratio, zoomed];
  }

  /** @param {WheelEvent} event */
  function onWheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoomAt(event.deltaY < 0 ? 1 : -1, event.clientX - box.left, event.clientY - box.top);
  }

  /** @param {PointerEvent} event */
  function onDown(event) {
    if (!now || now.layout.whole || event.button !== 0) return;
    const { cell } = now.layout;
    const start = { x: event.clientX, y: event.clientY, ...offset };
    let dragged = false;
    const drag = new AbortController();
    const move = (/** @type {PointerEvent} */ moved) => {
      const [dx, dy] = [moved.clientX - start.x, moved.clientY - start.y];
      if (!dragged && Math.hypot(dx, dy) < 4) return;
      dragged = true;
      offset = { row: start.row - dy / cell, column: start.column - dx / cell };
      callbacks.onRedraw();
    };
    const end = () => {
      drag.abort();
      // The click that ends a drag pins nothing.
      if (dragged)
        canvas.addEventListener("click", (click) => click.stopImmediatePropagation(), {
          capture: true,
          once: true,
        });
    };
    window.addEventListener("pointermove", move, { signal: drag.signal });
    window.addEventListener("pointerup", end, { signal: drag.signal });
    signal.addEventListener("abort", () => drag.abort());
  }

  /** @param {string} key */
  function press(key) {
    if (!now || !"+=-_".includes(key)) return false;
    const { layout } = now;
    zoomAt("+=".includes(key) ? 1 : -1, layout.width / 2, layout.height / 2);
    return true;
  }

  function toggleScale() {
    if (!now) return;
    const [nRows, nColumns] = size(now.scene.frame);
    root = !(root ?? (now.scene.frame.unit !== "flow" && Math.max(nRows, nColumns) > ROOT_FROM));
    callbacks.onRedraw();
  }

  return { element, canvas, draw, press, toggleScale };
}

/** Rows and columns of the matrix as it came. @param {Frame} frame @returns {[number, number]} */
const size = (frame) => /** @type {[number, number]} */ (frame.arrays.weights.shape.slice(-2));

/** How many of the strongest fit beside the picture. @param {MatrixLayout} layout */
const listLength = (layout) =>
  layout.side ? Math.max(5, Math.min(12, Math.floor((layout.height - 120) / 20))) : 6;

/**
 * Which pairs a causal model cannot have: keys after the query's last token.
 * @param {Frame} frame
 * @returns {((row: number, column: number) => boolean) | null}
 */
function masking(frame) {
  if (!frame.causal) return null;
  const pool = frame.pool ?? 1;
  const last = frame.queries.positions.map((positions) => positions[positions.length - 1]);
  const first = frame.keys.positions.map((positions) => positions[0]);
  return (row, column) => first[column * pool] > last[Math.min(last.length, (row + 1) * pool) - 1];
}

/** @param {Frame} frame */
function dotsOf(frame) {
  const { saturated } = frame.arrays;
  return saturated
    ? (/** @type {number} */ row, /** @type {number} */ column) =>
        !!saturated.data[row * saturated.shape[1] + column]
    : null;
}

/**
 * The pair that a drawn cell stands for: its strongest. None where the model cannot look.
 * @param {Frame} frame @param {number} pool @param {number} row @param {number} column
 * @returns {Target | null}
 */
function strongestIn(frame, pool, row, column) {
  const [nRows, nColumns] = size(frame);
  const isMasked = masking(frame);
  const sent = frame.pool ?? 1;
  /** @type {{ query: number, key: number } | null} */
  let best = null;
  let most = -Infinity;
  for (let r = row * pool; r < Math.min(nRows, (row + 1) * pool); r++) {
    for (let c = column * pool; c < Math.min(nColumns, (column + 1) * pool); c++) {
      const value = valueAt(frame.arrays.weights, r * nColumns + c);
      if (isMasked?.(r, c) || value <= most) continue;
      most = value;
      best = { query: r * sent, key: c * sent };
    }
  }
  return best;
}
