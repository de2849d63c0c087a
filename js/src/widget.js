// Entry: one mount per view of the model. Nothing is awaited, so no trait change or message is ever
// lost.
import { mount } from "./app.js";

/** @typedef {import("./types.js").Traits} Traits */

export default () => ({
  /**
   * @param {import("@anywidget/types").RenderProps<Traits> & { signal?: AbortSignal }} props
   */
  render({ model, el, signal }) {
    // The host keeps `end` as long as the model, which is for ever: it must not keep what it ended.
    /** @type {AbortController | null} */
    let ended = new AbortController();
    const end = () => {
      ended?.abort();
      ended = null;
    };
    signal?.addEventListener("abort", end, { once: true });
    mount(model, el, ended.signal);
    return end;
  },
});
