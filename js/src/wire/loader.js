// Loads the bundle where a page has not run it yet. A host keeps the module of every widget, also of those that are
// gone; so once a page runs the bundle, Python gives later widgets this module instead (attn_widget/widget/loader.py).
// A page that was loaded again, or another page, requests the bundle from the kernel. Measured in Chromium, 200 runs
// of one cell: the JavaScript heap grows by 14 MB where each widget runs the bundle of 120 kB, by 1.1 MB where the
// bundle runs once per page (build.mjs), and by 0.4 MB with this module. The modules' text comes on top: 24 MB or 0.2 MB.

import { GONE } from "./requests.js";

/** @typedef {import("@anywidget/types").RenderProps<any> & { signal?: AbortSignal }} Given */

const KEY = Symbol.for("attn-widget MARK"); // the build writes the bundle's mark here
const bundle = () => /** @type {any} */ (globalThis)[KEY];

/** @param {Given} given @param {(text: string) => void} say @returns {Promise<void>} when the page has the bundle */
function fetched({ model, signal }, say) {
  return new Promise((done, fail) => {
    const id = Math.random().toString(36).slice(2);
    /** @param {any} message */
    const hear = (message) => {
      if (message?.id !== id) return;
      model.off("msg:custom", hear);
      if (message.error) return say(message.error.message);
      if (bundle()) return done(); // another widget was faster
      const url = URL.createObjectURL(new Blob([message.data.code], { type: "text/javascript" }));
      import(url).then(() => done(), fail).finally(() => URL.revokeObjectURL(url));
    };
    model.on("msg:custom", hear);
    signal?.addEventListener("abort", () => model.off("msg:custom", hear), { once: true });
    say("waiting for the kernel …");
    try {
      model.send({ kind: "request", id, name: "code", data: {} });
    } catch {
      say(`${GONE.message} ${GONE.remedy}`);
    }
  });
}

export default () => ({
  /** @param {Given} given */
  async render(given) {
    if (!bundle()) {
      const waiting = document.createElement("p");
      given.el.append(waiting);
      await fetched(given, (text) => (waiting.textContent = text));
      waiting.remove();
    }
    if (!given.signal?.aborted) return bundle()().render(given);
  },
});
