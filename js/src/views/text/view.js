// The text view: the text as it was written, shaded by the attention of the pinned token to each
// token, or from each.
import drawing from "../../../../attn_widget/pictures/drawing.json" with { type: "json" };
import { scaleTable, themeOf } from "../../paint/palettes.js";
import { found } from "../shared/find.js";
import { rowsOf } from "../shared/selection.js";
import { describeText, shades, textFocus } from "./words.js";
import { sameTarget } from "../shared/pointer.js";
import { isSelf, textSpans, tokenSpans } from "../shared/text-spans.js";
import { areaOf } from "./areas.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../types.js").Frame} Frame */
/** @typedef {import("../shared/text-spans.js").TextSpan} TextSpan */
/** @typedef {import("../../types.js").Side} Side */

// Words must stay readable on their shade; patches and frames of sound have no text.
const AREA = { stop: drawing.area_shade, opacity: drawing.area_shade_opacity };
/** @param {boolean} dark */
const shadeOf = (dark) => {
  const { text_shade: stop, text_shade_opacity: opacity } = themeOf(dark);
  return { stop, opacity };
};

/**
 * @param {import("../../view-types.js").Callbacks} callbacks
 * @param {AbortSignal} signal
 * @returns {import("../../view-types.js").View}
 */
export function textView(callbacks, signal) {
  const element = document.createElement("div");
  element.className = "text";
  /** @type {Frame | null} */
  let written = null;
  /** @type {{ side: Side, spans: { row: number, span: HTMLElement }[] }[]} */
  let columns = [];
  /** Patches of a picture or frames of a sound. @type {ReturnType<typeof areaOf> | null} */
  let area = null;
  /** @type {Scene | null} */
  let now = null;

  const targetOf = (/** @type {Event} */ event) => {
    const span = event.target instanceof HTMLElement ? event.target.closest("[data-row]") : null;
    if (!(span instanceof HTMLElement)) return null;
    const side = /** @type {Side} */ (span.dataset.side);
    return { side, index: Number(span.dataset.row) };
  };
  element.addEventListener("pointerover", (event) => callbacks.onHover(targetOf(event)), {
    signal,
  });
  element.addEventListener("pointerleave", () => callbacks.onHover(null), { signal });
  element.addEventListener(
    "click",
    (event) => {
      const target = targetOf(event);
      if (target) callbacks.onPin(target, event.shiftKey || event.ctrlKey || event.metaKey);
    },
    { signal },
  );

  /** Write the text; only when it changed. @param {Frame} frame */
  function write(frame) {
    if (written && sameText(written, frame)) return;
    written = frame;
    element.replaceChildren();
    area = frame.grid || frame.seconds ? areaOf(frame, callbacks, signal) : null;
    // Patches and frames have no text; what is special among them stands beside.
    const keys = area
      ? tokenSpans(frame.keys.text).filter(({ row }) => row !== null && frame.keys.special[row])
      : textSpans(frame);
    const sides = /** @type {[Side, TextSpan[]][]} */ (
      isSelf(frame)
        ? [["query", keys]]
        : [
            ["query", tokenSpans(frame.queries.text)],
            ["key", keys],
          ]
    );
    columns = sides.map(([side, parts]) => {
      const paragraph = document.createElement("p");
      paragraph.dir = "auto";
      const spans = parts.flatMap((part) => {
        // must not reverse the text around it
        const hasDirection = /[\u202a-\u202e\u2066-\u2069]/.test(part.text);
        if (part.row === null && !hasDirection) {
          paragraph.append(part.text);
          return [];
        }
        const span = paragraph.appendChild(document.createElement("span"));
        span.textContent = part.text;
        if (hasDirection) span.style.unicodeBidi = "isolate";
        if (part.row === null) return [];
        span.dataset.row = String(part.row);
        span.dataset.side = side;
        return [{ row: part.row, span }];
      });
      if (area && parts === keys) paragraph.className = "apart";
      element.append(paragraph);
      return { side, spans };
    });
    if (area) element.append(area.element);
  }

  /** @param {Scene} scene */
  function draw(scene) {
    const { frame, traits, look } = scene;
    now = scene;
    write(frame);
    element.dataset.columns = String(area ? 1 : columns.length);
    const focus = textFocus(scene);
    const shade = focus && shades(scene, focus);
    const both = isSelf(frame); // queries and keys are the same tokens
    const onArea = area && (both || focus?.side === "query");
    const tint = ({ stop, opacity } = shadeOf(look.dark), t = 1) =>
      `rgba(${scaleTable("sequential", look.dark).bytes[stop]},${(t * opacity).toFixed(3)})`;
    for (const { side, spans } of columns) {
      const axis = side === "query" ? frame.queries : frame.keys;
      const pins = new Set([
        ...rowsOf(axis, traits[side]),
        ...(both ? rowsOf(frame.keys, traits.key) : []),
      ]);
      const marked = found(axis, traits.find);
      const shaded = focus && (both || side !== focus.side);
      for (const { row, span } of spans) {
        const t = shaded && shade ? shade.at(row) / (shade.largest || 1) : 0;
        const lacks = Number.isNaN(t) ? "nan" : "";
        const isHovered = sameTarget(scene.hover, { side, index: row });
        const names = [
          pins.has(row) ? "pin" : "",
          isHovered ? "hover" : "",
          marked.has(row) ? "found" : "",
          lacks,
        ];
        span.className = names.filter(Boolean).join(" ");
        span.style.background = t >= drawing.least_shade ? tint(undefined, t) : "";
      }
    }
    area?.draw(scene, focus, onArea ? shade : null, tint(AREA));
    return describeText(scene, focus, shade, onArea ? tint(AREA) : tint());
  }

  /** Bring a token into the viewport. @param {number} index */
  function reveal(index) {
    const span = columns[0]?.spans.find(({ row }) => row === index)?.span;
    if (now && span) span.scrollIntoView({ block: "nearest" });
  }

  return { element, surface: element, draw, reveal };
}

/** @param {Frame} a @param {Frame} b */
function sameText(a, b) {
  const text = (/** @type {Frame} */ { capture_id, queries, keys, spans }) =>
    JSON.stringify([capture_id, queries.text, keys.text, spans]);
  return a === b || text(a) === text(b);
}
