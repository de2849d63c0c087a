// Replaces anywidget's model in a static page: holds the traits and replies to requests from the
// stored numbers.

const LATER_MS = 0; // a reply never arrives before the request returns
/** Traits that only a kernel can change. */
const FIXED = new Set(["text", "pair", "part", "residual", "reduce", "normalise", "baseline"]);

export class StaticModel {
  /** @type {Map<string, Set<Function>>} */
  #listeners = new Map();

  /**
   * @param {Record<string, any>} state the traits
   * @param {(spec: any) => { header: any, buffers: any[] }} frameOf throws a sentence where the
   *   frame is not stored
   * @param {Record<string, any>} [onEnter] by view: traits that are set when the view is chosen
   * @param {string} [page] the page's own HTML, for saving it
   */
  constructor(state, frameOf, onEnter = {}, page = "") {
    this.state = { ...state };
    this.frameOf = frameOf;
    this.onEnter = onEnter;
    this.page = page;
  }

  /** @param {string} name */
  get(name) {
    return this.state[name];
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    if (FIXED.has(name)) {
      if (value === this.state[name]) return;
      const message = `${name} is fixed in this page.`;
      const id = (this.state.error?.id ?? 0) + 1;
      this.set("error", {
        name: "Fixed",
        message,
        remedy: "Open the notebook to change it.",
        where: "request",
        id,
      });
      return;
    }
    this.state[name] = value;
    this.#emit(`change:${name}`);
    if (name === "view")
      for (const [trait, itsValue] of Object.entries(this.onEnter[value] ?? {}))
        this.set(trait, itsValue);
  }

  save_changes() {}

  /** @param {string} event @param {Function} listener */
  on(event, listener) {
    if (!this.#listeners.has(event)) this.#listeners.set(event, new Set());
    this.#listeners.get(event)?.add(listener);
  }

  /** @param {string} event @param {Function} listener */
  off(event, listener) {
    this.#listeners.get(event)?.delete(listener);
  }

  /** @param {any} message */
  send({ kind, id, name, data }) {
    if (kind !== "request") return;
    setTimeout(() => {
      const [reply, buffers] = this.#replyTo(name, data);
      this.#emit("msg:custom", { kind: "reply", id, ...reply }, buffers);
    }, LATER_MS);
  }

  /** @param {string} name @param {any} data @returns {[Record<string, any>, any[]]} */
  #replyTo(name, data) {
    if (name === "hello") return [{ data: { capture_id: this.state.capture_id } }, []];
    let message = "No model runs in this page.";
    try {
      if (name === "export") {
        if (data.format === "html") return [{ data: { mime: "text/html" } }, [this.page]];
        message = `${data.format.toUpperCase()} of this view is drawn in the notebook only.`;
      }
      if (name === "frame") {
        const { header, buffers } = this.frameOf(data);
        return [{ data: header }, buffers];
      }
    } catch (error) {
      message = String(error);
    }
    return [{ error: { name: "NotStored", message, remedy: "Open the notebook for it." } }, []];
  }

  /** @param {string} event @param {...any} values */
  #emit(event, ...values) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(...values);
  }
}
