// Zoom and pan of a grid of cells: ctrl + wheel, + and −, dragging. Independent of what is drawn.
import { scaleOf, zoomed } from "./layout.js";

/** @typedef {import("./layout.js").MatrixLayout} MatrixLayout */

/**
 * @param {HTMLCanvasElement} canvas
 * @param {(zoom: number) => MatrixLayout | null} layoutAt the layout at a zoom; null while nothing
 *   is drawn
 * @param {() => number} ratio device pixels per CSS pixel
 * @param {() => void} redraw
 * @param {AbortSignal} signal
 */
export function createZoom(canvas, layoutAt, ratio, redraw, signal) {
  let zoom = 0;
  let offset = { row: 0, column: 0 };
  canvas.addEventListener("wheel", onWheel, { signal, passive: false });
  canvas.addEventListener("pointerdown", onDown, { signal });

  /** @param {MatrixLayout} layout */
  function clamp(layout) {
    const within = (/** @type {number} */ v, /** @type {number} */ most) =>
      Math.max(0, Math.min(Math.round(v), most));
    offset = {
      row: within(offset.row, layout.rows - layout.visibleRows),
      column: within(offset.column, layout.columns - layout.visibleColumns),
    };
  }

  /**
   * Zoom once, with the point under the pointer fixed.
   * @param {1 | -1} direction @param {number} x @param {number} y
   */
  function zoomBy(direction, x, y) {
    const [layout, fit] = [layoutAt(zoom), layoutAt(0)];
    if (!layout || !fit) return;
    const row = (offset.row + (y - layout.y0) / layout.tall) * layout.rowPool;
    const column = (offset.column + (x - layout.x0) / layout.cell) * layout.pool;
    const next = zoomed(layout, ratio(), direction);
    zoom = next <= scaleOf(fit, ratio()) ? 0 : next;
    const after = layoutAt(zoom);
    if (!after) return;
    offset = {
      row: row / after.rowPool - (y - after.y0) / after.tall,
      column: column / after.pool - (x - after.x0) / after.cell,
    };
    clamp(after);
    redraw();
  }

  /** @param {WheelEvent} event */
  function onWheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    zoomBy(event.deltaY < 0 ? 1 : -1, event.clientX - box.left, event.clientY - box.top);
  }

  /** @param {PointerEvent} event */
  function onDown(event) {
    const layout = layoutAt(zoom);
    if (!layout || layout.whole || event.button !== 0) return;
    const start = { x: event.clientX, y: event.clientY, ...offset };
    let dragged = false;
    const drag = new AbortController();
    const move = (/** @type {PointerEvent} */ moved) => {
      const [dx, dy] = [moved.clientX - start.x, moved.clientY - start.y];
      if (!dragged && Math.hypot(dx, dy) < 4) return;
      dragged = true;
      offset = { row: start.row - dy / layout.tall, column: start.column - dx / layout.cell };
      clamp(layout);
      redraw();
    };
    const end = () => {
      drag.abort();
      // The click that ends a drag pins nothing.
      const stop = (/** @type {Event} */ click) => click.stopImmediatePropagation();
      if (dragged) canvas.addEventListener("click", stop, { capture: true, once: true });
      setTimeout(() => canvas.removeEventListener("click", stop, { capture: true }));
    };
    window.addEventListener("pointermove", move, { signal: drag.signal });
    window.addEventListener("pointerup", end, { signal: drag.signal });
    signal.addEventListener("abort", () => drag.abort());
  }

  return {
    get zoom() {
      return zoom;
    },
    get offset() {
      return offset;
    },
    clamp,
    /** Zoom about the middle. @param {1 | -1} direction */
    byKey(direction) {
      const layout = layoutAt(zoom);
      if (layout) zoomBy(direction, layout.width / 2, layout.height / 2);
    },
  };
}
