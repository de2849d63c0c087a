// The head view: two columns of tokens, lines by head colour, and beside the keys each head's
// share.
import { prepared, setFont, write } from "../../paint/canvas.js";
import { drawnEdges, edgesOf, inWindow, lanesOn } from "../shared/edges.js";
import { headHit, headLayout, rowMiddle, visibleRows, TOP } from "./layout.js";
import { minimapScroll, paintMinimap, received, MINIMAP } from "./minimap.js";
import { laneOffset, lineOpacity, paintLines, traceOpacity } from "./marks.js";
import { headColours, jointColour } from "../../paint/palettes.js";
import { paintStrip } from "./strip.js";
import { paintToken, widest } from "../../paint/tokens.js";
import { found } from "../shared/find.js";
import { focusOf, rowsOf } from "../shared/selection.js";
import { memo } from "../../memo.js";
import { describeHead, focusValues } from "./words.js";
import { listen, revealRow } from "../shared/pointer.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../types.js").Frame} Frame */
/** @typedef {import("../../view-types.js").Target} Target */

/**
 * @param {import("../../view-types.js").Callbacks} callbacks
 * @param {AbortSignal} signal
 * @returns {import("../../view-types.js").View}
 */
export function headView(callbacks, signal) {
  const element = document.createElement("div");
  element.className = "viewport";
  const content = document.createElement("div");
  const canvas = document.createElement("canvas");
  const base = document.createElement("canvas");
  const trace = document.createElement("canvas");
  content.append(canvas);
  element.append(content);

  const layoutOf = memo(headLayout);
  const edgesFor = memo(
    (/** @type {Frame} */ frame, /** @type {string} */ lanes, /** @type {number} */ threshold) =>
      edgesOf(frame, lanes ? lanes.split(",").map(Number) : [], threshold),
  );
  const measure = (
    /** @type {string[]} */ text,
    /** @type {string} */ font,
    /** @type {number} */ size,
  ) => widest(/** @type {CanvasRenderingContext2D} */ (base.getContext("2d")), font, text, size);
  const [queryWidth, keyWidth] = [memo(measure), memo(measure)];
  let drawn = { base: "", trace: "" };
  /** @type {ReturnType<typeof headLayout> | null} */
  let layout = null;
  /** @type {import("../shared/selection.js").Focus | null} */
  let pinFocus = null;

  element.addEventListener("scroll", () => callbacks.onRedraw(), { signal, passive: true });
  listen(canvas, hit, callbacks, signal);
  /** On the minimap, pressing and dragging scroll. @param {PointerEvent} event */
  const onMinimap = (event) => {
    const box = canvas.getBoundingClientRect();
    const isHeld = event.buttons === 1 && event.clientX - box.left < MINIMAP;
    if (layout?.scrolls && isHeld)
      element.scrollTop = minimapScroll(layout, event.clientY - box.top);
  };
  canvas.addEventListener("pointerdown", onMinimap, { signal });
  canvas.addEventListener("pointermove", onMinimap, { signal });

  /** @param {number} x @param {number} y @returns {Target | null} */
  function hit(x, y) {
    if (layout?.scrolls && x < MINIMAP) return null;
    const on = layout && headHit(layout, x, y, scrollTop());
    if (!on || !("strip" in on)) return on;
    if (pinFocus?.rows.length !== 1) return null;
    const [row] = pinFocus.rows;
    const lane = on.lane === undefined ? {} : { lane: on.lane };
    return pinFocus.side === "query"
      ? { query: row, key: on.strip, ...lane }
      : { query: on.strip, key: row, ...lane };
  }

  const scrollTop = () =>
    layout?.scrolls ? Math.round(element.scrollTop / layout.row) * layout.row : 0;

  /** @param {Scene} scene */
  function draw(scene) {
    const { frame, traits, look, width } = scene;
    const joint = frame.lanes.length === 1 && frame.lanes[0].head === null;
    const lanes = lanesOn(frame, traits.heads);
    const size = width >= 600 ? 13 : 12;
    layout = layoutOf(
      width,
      frame.queries.text.length,
      frame.keys.text.length,
      joint ? 0 : frame.lanes.length,
      queryWidth(frame.queries.text, look.font, size),
      keyWidth(frame.keys.text, look.font, size),
      window.innerHeight || 800,
    );
    const here = layout;
    content.style.height = layout.scrolls ? `${layout.contentHeight}px` : "";
    element.style.height = layout.scrolls ? `${layout.height}px` : "";
    const scroll = scrollTop();
    const rows = {
      query: visibleRows(layout, layout.nQueries, scroll),
      key: visibleRows(layout, layout.nKeys, scroll),
    };
    const edges = edgesFor(frame, lanes.join(), traits.threshold);
    const part = inWindow(edges, rows.query);
    const colours = headColours(
      frame.lanes.length,
      traits.heads,
      look.dark,
      look.ink3,
      scene.litHead,
    );
    const scale = frame.arrays.weights?.scale ?? frame.arrays.edges_weight?.scale ?? 1;
    const style = {
      xStart: layout.arcStart,
      xEnd: layout.arcEnd,
      yQuery: (/** @type {number} */ i) => rowMiddle(here, i, scroll),
      yKey: (/** @type {number} */ i) => rowMiddle(here, i, scroll),
      offset: (/** @type {number} */ lane) =>
        laneOffset(Math.max(0, lanes.indexOf(lane)), lanes.length),
      colour: (/** @type {number} */ lane) =>
        joint ? jointColour(look.dark) : colours(frame.lanes[lane].head ?? lane),
      scale,
    };
    const picture = [
      serial(frame),
      lanes,
      traits.threshold,
      scroll,
      width,
      layout.height,
      scene.litHead,
    ];
    const name = JSON.stringify([picture, look, traits.heads]);
    const layer = (
      /** @type {"base" | "trace"} */ which,
      /** @type {(weight: number) => number} */ opacity,
    ) => {
      const target = which === "base" ? base : trace;
      if (drawn[which] === name) return target;
      drawn = { ...drawn, [which]: name };
      paintLines(
        prepared(target, width, here.height, look.ratio),
        edges,
        { ...style, opacity },
        part.indices,
      );
      return target;
    };

    const focus = focusOf(frame.queries, frame.keys, traits, scene.hover);
    pinFocus = focusOf(frame.queries, frame.keys, traits, null);
    const ctx = prepared(canvas, width, layout.height, look.ratio);
    const behind = focus ? layer("trace", traceOpacity) : layer("base", lineOpacity);
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, layout.scrolls ? TOP : 0, width, layout.height);
    ctx.clip();
    ctx.setTransform(1, 0, 0, 1, 0, 0);
    ctx.drawImage(behind, 0, 0);
    ctx.setTransform(look.ratio, 0, 0, look.ratio, 0, 0);
    const lines = focus ? drawnEdges(frame, lanes, traits.threshold, focus, scene.exact) : edges;
    if (focus) paintLines(ctx, lines, { ...style, opacity: lineOpacity });
    ctx.restore();

    if (layout.scrolls) {
      const other = focus?.side === "key" ? "query" : "key";
      const n = other === "key" ? layout.nKeys : layout.nQueries;
      paintMinimap(ctx, look, layout, received([lines], other, n), scroll);
    }
    const values = focus && focusValues(scene, focus, lanes);
    const { strip, said: description } = describeHead(scene, {
      focus,
      values,
      lanes,
      lines,
      joint,
      rows,
      dropped: part.dropped,
      layout,
      colour: style.colour,
    });
    paintTokens(ctx, scene, focus, rows, scroll);
    const shown = focus?.side === "key" ? rows.query : rows.key;
    paintStrip(ctx, look, layout, { ...strip, scale, colour: style.colour }, shown, scroll);
    setFont(ctx, look, 11);
    write(ctx, "query", layout.xQuery, 8, "right", look.ink3);
    write(ctx, "key", layout.xKey, 8, "left", look.ink3);
    return description;
  }

  /**
   * @param {CanvasRenderingContext2D} ctx @param {Scene} scene
   * @param {import("../shared/selection.js").Focus | null} focus
   * @param {{ query: [number, number], key: [number, number] }} rows @param {number} scroll
   */
  function paintTokens(ctx, scene, focus, rows, scroll) {
    if (!layout) return;
    const { frame, traits, look } = scene;
    const size = layout.wide ? 13 : 12;
    for (const side of /** @type {const} */ (["query", "key"])) {
      const axis = side === "query" ? frame.queries : frame.keys;
      const pins = new Set(rowsOf(axis, traits[side]));
      const marked = found(axis, traits.find);
      const hovered =
        scene.hover && "side" in scene.hover
          ? scene.hover.side === side && scene.hover.index
          : null;
      const x = side === "query" ? layout.xQuery : layout.xKey;
      for (let i = rows[side][0]; i < rows[side][1]; i++) {
        const y = rowMiddle(layout, i, scroll);
        paintToken(ctx, look, axis.text[i], x, y, {
          align: side === "query" ? "right" : "left",
          size,
          room: side === "query" ? layout.room : layout.keyRoom,
          special: !!axis.special[i],
          hover: hovered === i || focus?.pair?.[side] === i,
          pinned: pins.has(i),
          found: marked.has(i),
          focus: scene.focused && pins.has(i),
        });
        if (side === "query" && layout.wide) {
          setFont(ctx, look, 10);
          write(
            ctx,
            String(axis.positions[i][0]),
            8 + 7 * String(layout.nQueries).length - 3,
            y + 1,
            "right",
            look.ink3,
          );
        }
      }
    }
  }

  /** Bring a row into the viewport. @param {number} index */
  function reveal(index) {
    if (layout?.scrolls) revealRow(element, layout.row, layout.height - TOP, index);
  }

  return { element, surface: canvas, draw, reveal };
}

/** @type {WeakMap<Frame, number>} */
const serials = new WeakMap();
let lastSerial = 0;

/** A number that is different for every frame. @param {Frame} frame */
function serial(frame) {
  let n = serials.get(frame);
  if (n === undefined) serials.set(frame, (n = ++lastSerial));
  return n;
}
