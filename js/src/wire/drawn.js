// The picture that a host kept with the widget's state, so that it is drawn where no kernel replies. Twin of
// attn_widget/pages/drawn.py.
import { sentence } from "../sentences.js";
import { decodeFrame } from "./decode.js";

/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("../types.js").Spec} Spec */
/** @typedef {import("../types.js").Traits} Traits */

const FORMAT = 1;

/**
 * @typedef {Object} Kept
 * @property {Partial<Spec> & { query?: number }} spec the request that the frame answers
 * @property {Frame} frame
 */

/**
 * @param {any} drawn the trait
 * @param {Traits} traits
 * @returns {Kept | { why: string } | null} `why`: the sentence that says why what was kept cannot be drawn; null
 *   where nothing was kept
 */
export function keptFrame(drawn, traits) {
  if (!drawn || !Object.keys(drawn).length) return null;
  const version = String(drawn.version ?? "of another kind").slice(0, 40);
  const foreign = { why: sentence("saved_by_other", { version }) };
  if (drawn.format !== FORMAT) return foreign;
  if (!("header" in drawn)) return { why: sentence("saved_too_large") };
  try {
    const { header } = drawn;
    // An axis that is the same text as the queries is kept once.
    const frame = decodeFrame({ keys: header.queries, ...header }, drawn.buffers.map(bytesOf));
    const names = traits.info.rules.depends_on[frame.view][frame.spec.method];
    if (frame.capture_id !== traits.capture_id) return null;
    const spec = Object.fromEntries(names.map((name) => [name, frame.spec[name]]));
    return {
      spec: typeof drawn.query === "number" ? { ...spec, query: drawn.query } : spec,
      frame,
    };
  } catch {
    return foreign;
  }
}

/**
 * The bytes of one array; a page that was written as JSON holds them as base64.
 * @param {DataView | string} buffer
 * @returns {DataView | Uint8Array}
 */
function bytesOf(buffer) {
  if (typeof buffer !== "string") return buffer;
  return Uint8Array.from(atob(buffer), (letter) => letter.charCodeAt(0));
}
