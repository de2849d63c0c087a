// Shows stored frames in a page of their own: the same widget, no kernel, no network.
import { framesOf, StaticModel } from "./static-model.js";
import widget from "./widget.js";

/** @typedef {import("./static-model.js").Payload} Payload */

const TAG = 'script[type="application/vnd.attn-widget+json"]:not([data-shown])';

/** @param {Payload} payload */
async function bytesOf({ data, encoding }) {
  const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
  if (encoding !== "gzip") return bytes.buffer;
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).arrayBuffer();
}

/**
 * @param {HTMLElement} el
 * @param {Payload} payload
 */
export async function show(el, payload) {
  const model = new StaticModel(payload.state, framesOf(payload.frames, await bytesOf(payload)));
  return widget().render(/** @type {any} */ ({ model, el }));
}

for (const tag of document.querySelectorAll(TAG)) {
  tag.setAttribute("data-shown", "");
  const el = document.createElement("div");
  tag.before(el);
  show(el, JSON.parse(tag.textContent ?? "")).catch((error) => {
    el.textContent = `The picture cannot be shown: ${error}`;
  });
}
