// Frames and exact rows: what has come, what is asked for, what failed. The kernel is asked only for what is missing.
import { decodeFrame, decodeRow } from "./decode.js";
import { covers } from "./regions.js";
import { frameKey } from "./spec.js";

/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("../types.js").Row} Row */
/** @typedef {import("../types.js").Side} Side */
/** @typedef {import("../types.js").Spec} Spec */

const KEPT_BYTES = 48 * 2 ** 20;
const KEPT_ROWS = 256;
const KEPT_PARTS = 8;

/**
 * @typedef {Object} Pending
 * @property {string} key
 * @property {number} since
 * @property {import("../types.js").Progress | null} progress
 */

export class Store {
  /** @type {Map<string, Frame>} oldest first */
  #frames = new Map();
  /** @type {Map<string, Row>} */
  #rows = new Map();
  /** @type {Set<string>} */
  #rowsRefused = new Set();
  /** @type {string | null} */
  #rowAsked = null;

  /** Newest first. @type {(import("../types.js").Part & { of: string })[]} */
  #parts = [];
  #partAsked = "";

  /** @type {Pending | null} */
  pending = null;
  /** @type {{ key: string, failure: import("../types.js").Failure } | null} */
  failed = null;
  /** The last good picture, and whether it is finished. @type {Frame | null} */
  shown = null;
  /** @type {string} */
  shownKey = "";
  complete = false;

  /**
   * @param {import("./requests.js").Requester} requester
   * @param {() => void} onChange
   */
  constructor(requester, onChange) {
    this.requester = requester;
    this.onChange = onChange;
  }

  /**
   * Make the frame of this spec the shown one: from memory, else by asking. The last good picture stays until then.
   * @param {Partial<Spec> & { query?: number }} spec
   */
  want(spec) {
    const key = frameKey(spec);
    const known = this.#frames.get(key);
    if (known) {
      if (this.pending) this.requester.cancel("frame");
      this.pending = this.failed = null;
      this.#show(key, known, true);
      return;
    }
    if (this.pending?.key === key || this.failed?.key === key) return;
    this.failed = null;
    this.pending = { key, since: performance.now(), progress: null };
    this.requester.ask("frame", spec, {
      reply: (data, buffers) => this.#arrived(key, data, buffers),
      progress: (progress, data, buffers) => {
        if (this.pending?.key === key) this.pending.progress = progress;
        if (data) this.#show(key, decodeFrame(data, buffers), false);
        this.onChange();
      },
      fail: (failure) => this.#fail(key, failure),
    });
  }

  /** Stop the frame that is on its way; what has come of it stays. */
  cancel() {
    if (!this.pending) return;
    const { key, progress } = this.pending;
    this.requester.cancel("frame");
    const at = progress?.total ? ` at ${progress.done} of ${progress.total}` : "";
    this.#fail(key, { name: "Cancelled", message: `Stopped${at}.`, remedy: null });
  }

  /** Ask again for what failed or was stopped. */
  retry() {
    this.failed = null;
    this.onChange();
  }

  /**
   * The exact row, where it has come.
   * @param {Frame} frame
   * @param {Side} side
   * @param {number} index
   */
  exact(frame, side, index) {
    return this.#rows.get(rowKey(frame, side, index)) ?? null;
  }

  /**
   * Ask for the first of these rows that is missing. The order is the order of need: what the pointer is on, then pins.
   * @param {Frame} frame
   * @param {{ side: Side, index: number }[]} needs
   */
  wantRows(frame, needs) {
    const missing = needs.find(({ side, index }) => {
      const key = rowKey(frame, side, index);
      return !this.#rows.has(key) && !this.#rowsRefused.has(key);
    });
    const key = missing ? rowKey(frame, missing.side, missing.index) : null;
    if (key === this.#rowAsked) return;
    if (!missing || !key) {
      this.#rowAsked = null;
      this.requester.cancel("row");
      return;
    }
    this.#rowAsked = key;
    this.requester.ask(
      "row",
      { ...frame.spec, ...missing },
      {
        reply: (data, buffers) => {
          this.#rows.set(key, decodeRow(data, buffers));
          if (this.#rows.size > KEPT_ROWS) this.#rows.delete(this.#rows.keys().next().value ?? "");
          this.#rowAsked = null;
          this.onChange();
        },
        // A row that cannot be had leaves the rounded number standing.
        fail: () => {
          this.#rowsRefused.add(key);
          this.#rowAsked = null;
          this.onChange();
        },
      },
    );
  }

  /**
   * A finer part of a matrix that came pooled: all that is wanted, else the last that is as fine; the rest is asked
   * for, once. A part that cannot be had leaves the coarse cells standing.
   * @param {Frame} frame
   * @param {import("../types.js").Wanted} wanted
   * @param {import("../types.js").Wanted} [wider] what is asked for, so that the next move needs nothing
   */
  finer(frame, wanted, wider = wanted) {
    const of = frameKey(frame.spec);
    const fine = this.#parts.filter((part) => part.of === of && part.pool === wanted.pool);
    const whole = fine.find((part) => covers(part, wanted));
    const asked = of + JSON.stringify(wider);
    if (!whole && this.complete && asked !== this.#partAsked) {
      this.#partAsked = asked;
      const reply = (/** @type {any} */ data, /** @type {any[]} */ buffers) => {
        this.#parts = [
          /** @type {any} */ ({ ...decodeFrame(data, buffers), of }),
          ...this.#parts,
        ].slice(0, KEPT_PARTS);
        this.#partAsked = "";
        this.onChange();
      };
      this.requester.ask("region", { ...frame.spec, ...wider }, { reply });
    }
    return whole ?? fine[0] ?? null;
  }

  /** A new capture: nothing old is of use. */
  forget() {
    this.#parts = [];
    this.#partAsked = "";
    this.requester.cancel("region");
    this.#frames.clear();
    this.#rows.clear();
    this.#rowsRefused.clear();
    this.#rowAsked = null;
    this.failed = null;
  }

  /** @param {string} key @param {any} data @param {any[]} buffers */
  #arrived(key, data, buffers) {
    this.pending = null;
    try {
      const frame = decodeFrame(data, buffers);
      this.#frames.set(key, frame);
      this.#trim();
      this.#show(key, frame, true);
    } catch (error) {
      this.failed = {
        key,
        failure: { name: "ProtocolError", message: String(error), remedy: "Reload the page." },
      };
    }
    this.onChange();
  }

  /** @param {string} key @param {import("../types.js").Failure} failure */
  #fail(key, failure) {
    this.pending = null;
    this.failed = { key, failure };
    this.onChange();
  }

  /** @param {string} key @param {Frame} frame @param {boolean} complete */
  #show(key, frame, complete) {
    this.shown = frame;
    this.shownKey = key;
    this.complete = complete;
  }

  #trim() {
    let bytes = 0;
    for (const [key, frame] of [...this.#frames].reverse()) {
      for (const array of Object.values(frame.arrays)) bytes += array.data.byteLength;
      if (bytes > KEPT_BYTES && this.#frames.size > 1) this.#frames.delete(key);
    }
  }
}

/** @param {Frame} frame @param {Side} side @param {number} index */
const rowKey = (frame, side, index) => `${frameKey(frame.spec)} ${side} ${index}`;
