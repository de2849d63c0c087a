// The model of a page without a kernel: traits live here alone, and requests are answered from stored frames.
import { frameKey } from "./spec.js";

/**
 * What a static page carries. All buffers of all frames stand one after another in `data`.
 * @typedef {Object} Payload
 * @property {Record<string, any>} state the traits; `info.can_run` is false, `views` and `info.groups[].methods` hold what is stored
 * @property {{ header: any, sizes: number[] }[]} frames headers as they cross the wire, and the bytes of each buffer
 * @property {"gzip" | "raw"} encoding
 * @property {string} data base64
 */

const LATER_MS = 0; // a reply never comes before the request returns

export class StaticModel {
  /** @type {Map<string, Set<Function>>} */
  #listeners = new Map();
  /** @type {Map<string, { header: any, buffers: DataView[] }>} */
  #frames = new Map();

  /**
   * @param {Record<string, any>} state
   * @param {{ header: any, buffers: DataView[] }[]} frames
   */
  constructor(state, frames) {
    this.state = { ...state };
    for (const frame of frames) this.#frames.set(keyOf(frame.header), frame);
  }

  /** @param {string} name */
  get(name) {
    return this.state[name];
  }

  /** @param {string} name @param {any} value */
  set(name, value) {
    this.state[name] = value;
    this.#emit(`change:${name}`);
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
    const [reply, buffers] = this.#answer(name, data);
    setTimeout(() => this.#emit("msg:custom", { kind: "reply", id, ...reply }, buffers), LATER_MS);
  }

  /** @param {string} name @param {any} data @returns {[Record<string, any>, DataView[]]} */
  #answer(name, data) {
    if (name === "hello") return [{ data: { version: 1, capture_id: this.state.capture_id } }, []];
    const frame = name === "frame" ? this.#frames.get(frameKey(data)) : null;
    if (frame) return [{ data: frame.header }, frame.buffers];
    const message = `${data?.method} in layer ${data?.layer} is not stored in this page.`;
    return [{ error: { name: "NotStored", message, remedy: "Open the notebook for it." } }, []];
  }

  /** @param {string} event @param {...any} values */
  #emit(event, ...values) {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) listener(...values);
  }
}

/** The key under which a stored frame answers; a neuron frame also for its own query. @param {any} header */
const keyOf = (header) =>
  frameKey(header.query === undefined ? header.spec : { ...header.spec, query: header.query });

/**
 * Cut the joined buffers into those of each frame.
 * @param {Payload["frames"]} frames
 * @param {ArrayBuffer} bytes
 */
export function framesOf(frames, bytes) {
  let at = 0;
  return frames.map(({ header, sizes }) => ({
    header,
    buffers: sizes.map((size) => new DataView(bytes, (at += size) - size, size)),
  }));
}
