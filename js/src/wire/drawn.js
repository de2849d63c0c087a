// The picture that a host kept with the widget's state, so that it is drawn where no kernel replies. Twin of
// attn_widget/widget/drawn.py.
import { decodeFrame } from "./decode.js";

/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("../types.js").Spec} Spec */
/** @typedef {import("../types.js").Traits} Traits */

const FORMAT = 1;

/**
 * @param {any} drawn the trait
 * @param {Traits} traits
 * @returns {{ spec: Partial<Spec> & { query?: number }, frame: Frame } | { foreign: string } | null} `foreign`: the
 *   version of attn-widget that kept what this page cannot draw; null where nothing was kept
 */
export function keptFrame(drawn, traits) {
  if (!drawn || !Object.keys(drawn).length) return null;
  const foreign = String(drawn.version ?? "of another kind").slice(0, 40);
  if (drawn.format !== FORMAT) return { foreign };
  try {
    const frame = decodeFrame(drawn.header, drawn.buffers);
    const names = traits.info.rules.depends_on[frame.view][frame.spec.method];
    if (frame.capture_id !== traits.capture_id) return null;
    const spec = Object.fromEntries(names.map((name) => [name, frame.spec[name]]));
    return {
      spec: typeof drawn.query === "number" ? { ...spec, query: drawn.query } : spec,
      frame,
    };
  } catch {
    return { foreign };
  }
}
