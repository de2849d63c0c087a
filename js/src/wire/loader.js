// Stands for the bundle where a page has run it before: a host keeps each widget's module for ever, so later widgets
// carry these lines only. A page that has not (it was loaded again, or is another) asks the kernel for the bundle.

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
