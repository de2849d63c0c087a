// Shows stored numbers in a static page: the same widget without a kernel or a network. The page
// runs widget.js first and puts its default export into globalThis.attn_widget
// (attn_widget/pages/html.py), so that it is bundled once.
import { answers } from "./frames.js";
import { StaticModel } from "./model.js";
import { unpacked } from "./numbers.js";

const TAG = 'script[type="application/vnd.attn-widget"]:not([data-shown])';

/** @param {string} data base64 of a raw deflate stream */
async function inflated(data) {
  const letters = atob(data);
  const bytes = new Uint8Array(letters.length);
  // a callback each takes ten times as long
  for (let i = 0; i < letters.length; i++) bytes[i] = letters.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * The picture that was shown to the model, from a file to its colours.
 * @param {any} image
 * @param {Uint8Array} bytes
 */
async function decoded({ at, size }, bytes) {
  const bitmap = await createImageBitmap(new Blob([bytes.slice(at, at + size)]));
  const { width, height } = bitmap;
  const context = /** @type {any} */ (
    Object.assign(document.createElement("canvas"), { width, height })
  ).getContext("2d");
  context.drawImage(bitmap, 0, 0);
  const data = context
    .getImageData(0, 0, width, height)
    .data.filter((/** @type {number} */ _, /** @type {number} */ i) => i % 4 < 3);
  return { shape: [height, width, 3], data: Uint8Array.from(data) };
}

/**
 * @param {HTMLElement} el
 * @param {string} data
 * @param {string} page
 */
async function show(el, data, page) {
  const bytes = await inflated(data);
  const stored = unpacked(bytes);
  if (stored.image) stored.image = await decoded(stored.image, bytes);
  const { attention, layer, head } = stored.neuron;
  const model = new StaticModel(
    stored.state,
    answers(stored, bytes),
    { neuron: { attention, layer, head } },
    page,
  );
  const follow = () => (document.documentElement.dataset.theme = model.get("theme"));
  model.on("change:theme", follow);
  follow();
  const widget = /** @type {any} */ (globalThis).attn_widget;
  widget().render({ model, el });
  removeStill(el);
}

/** Remove the picture for pages without scripts once the live one is drawn. @param {HTMLElement} el */
function removeStill(el) {
  const root = el.firstElementChild?.shadowRoot;
  if (!root) return;
  const observer = new MutationObserver(() => {
    if (!root.querySelector("[data-ready]")) return;
    observer.disconnect();
    for (const still of document.querySelectorAll("figure.attn-still")) still.remove();
  });
  observer.observe(root, { subtree: true, childList: true, attributeFilter: ["data-ready"] });
}

// before anything is added to it
const page = `<!doctype html>${document.documentElement.outerHTML}`;
for (const tag of document.querySelectorAll(TAG)) {
  tag.setAttribute("data-shown", "");
  const el = document.createElement("div");
  tag.before(el);
  show(el, tag.textContent ?? "", page).catch((error) => {
    el.textContent = `The picture cannot be shown: ${error}`;
  });
}
