// Loads the bundle where a page has not run it yet. A host keeps the module of every widget, also
// of those that are gone; so once a page runs the bundle, Python gives later widgets this module
// instead (attn_widget/widget/loader.py). A page that was loaded again, or another page, requests
// the bundle from the kernel. Measured in Chromium, 200 runs of one cell: the JavaScript heap grows
// by 14 MB where each widget runs the bundle of 120 kB, by 1.1 MB where the bundle runs once per
// page (build.mjs), and by 0.4 MB with this module. The modules' text comes on top: 24 MB or 0.2
// MB.

import { GONE } from "./requests.js";

/** @typedef {import("@anywidget/types").RenderProps<any> & { signal?: AbortSignal }} Given */

const NAME = "attn-widget MARK"; // the build writes the bundle's mark here
const KEY = Symbol.for(NAME);
const loadedBundle = () => /** @type {any} */ (globalThis)[KEY];

/**
 * @param {Given} given
 * @param {(text: string) => void} show
 * @returns {Promise<void>} when the page has the bundle
 */
function fetched({ model, signal }, show) {
  return new Promise((done, fail) => {
    const id = Math.random().toString(36).slice(2);
    /** @param {any} message */
    const onMessage = (message) => {
      if (message?.id !== id) return;
      model.off("msg:custom", onMessage);
      if (message.error) return show(message.error.message);
      if (loadedBundle()) return done(); // another widget has fetched it
      const url = URL.createObjectURL(new Blob([message.data.code], { type: "text/javascript" }));
      import(url).then(() => done(), fail).finally(() => URL.revokeObjectURL(url));
    };
    model.on("msg:custom", onMessage);
    // The bundle of another widget of the page, which a page without a kernel may run later.
    addEventListener(NAME, () => done(), { once: true, signal });
    signal?.addEventListener("abort", () => model.off("msg:custom", onMessage), { once: true });
    show("waiting for the kernel …");
    try {
      model.send({ kind: "request", id, name: "code", data: {} });
    } catch {
      show(`${GONE.message} ${GONE.remedy}`);
    }
  });
}

export default () => ({
  /** @param {Given} given */
  async render(given) {
    if (!loadedBundle()) {
      const waiting = document.createElement("p");
      given.el.append(waiting);
      await fetched(given, (text) => (waiting.textContent = text));
      waiting.remove();
    }
    if (!given.signal?.aborted) return loadedBundle()().render(given);
  },
});
