// Frames, exact rows and finer regions: what has arrived, what is requested, what failed. Only what
// is missing is requested.
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
  #requestedRow = null;

  /** Newest first. @type {(import("../types.js").Part & { frame: string })[]} */
  #parts = [];
  #requestedRegion = "";

  /** @type {Pending | null} */
  pending = null;
  /** @type {{ key: string, failure: import("../types.js").Failure } | null} */
  failed = null;
  /** The last frame that arrived, and whether it is complete. @type {Frame | null} */
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
   * Show the frame of this spec: from the cache, else by a request. The last frame stays until it
   * arrives.
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
    this.requester.request("frame", spec, {
      reply: (data, buffers) => this.#arrived(key, data, buffers),
      progress: (progress, data, buffers) => {
        if (this.pending?.key === key) this.pending.progress = progress;
        if (data) this.#show(key, decodeFrame(data, buffers), false);
        this.onChange();
      },
      fail: (failure) => this.#fail(key, failure),
    });
  }

  /**
   * Show a frame that the host kept, until another one arrives.
   * @param {Partial<Spec> & { query?: number }} spec its request
   * @param {Frame} frame
   */
  keep(spec, frame) {
    const key = frameKey(spec);
    this.#frames.set(key, frame);
    this.#show(key, frame, true);
  }

  /** Cancel the request for a frame; what has arrived of it stays. */
  cancel() {
    if (!this.pending) return;
    const { key, progress } = this.pending;
    this.requester.cancel("frame");
    const at = progress?.total ? ` at ${progress.done} of ${progress.total}` : "";
    this.#fail(key, { name: "Cancelled", message: `Stopped${at}.`, remedy: null });
  }

  /** Request again what failed or was cancelled. */
  retry() {
    this.failed = null;
    this.onChange();
  }

  /**
   * The exact row, null until it has arrived.
   * @param {Frame} frame
   * @param {Side} side
   * @param {number} index
   */
  exact(frame, side, index) {
    return this.#rows.get(rowKey(frame, side, index)) ?? null;
  }

  /**
   * Request the first of these rows that is missing.
   * @param {Frame} frame
   * @param {{ side: Side, index: number }[]} needs most important first
   */
  wantRows(frame, needs) {
    const missing = needs.find(({ side, index }) => {
      const key = rowKey(frame, side, index);
      return !this.#rows.has(key) && !this.#rowsRefused.has(key);
    });
    const key = missing ? rowKey(frame, missing.side, missing.index) : null;
    if (key === this.#requestedRow) return;
    if (!missing || !key) {
      this.#requestedRow = null;
      this.requester.cancel("row");
      return;
    }
    this.#requestedRow = key;
    this.requester.request(
      "row",
      { ...frame.spec, ...missing },
      {
        reply: (data, buffers) => {
          this.#rows.set(key, decodeRow(data, buffers));
          if (this.#rows.size > KEPT_ROWS) this.#rows.delete(this.#rows.keys().next().value ?? "");
          this.#requestedRow = null;
          this.onChange();
        },
        // Without the exact row, the rounded number stays.
        fail: () => {
          this.#rowsRefused.add(key);
          this.#requestedRow = null;
          this.onChange();
        },
      },
    );
  }

  /**
   * A finer part of a matrix that came pooled: one with the whole region, else the newest that is
   * as fine. Where the region is missing, it is requested once; if that fails, the coarse cells
   * stay.
   * @param {Frame} frame
   * @param {import("../types.js").Wanted} region
   * @param {import("../types.js").Wanted} [wider] the region to request, so that a small move needs
   *   no new one
   */
  finer(frame, region, wider = region) {
    const key = frameKey(frame.spec);
    const fine = this.#parts.filter((part) => part.frame === key && part.pool === region.pool);
    const whole = fine.find((part) => covers(part, region));
    const request = key + JSON.stringify(wider);
    if (!whole && this.complete && request !== this.#requestedRegion) {
      this.#requestedRegion = request;
      const reply = (/** @type {any} */ data, /** @type {any[]} */ buffers) => {
        this.#parts = [
          /** @type {any} */ ({ ...decodeFrame(data, buffers), frame: key }),
          ...this.#parts,
        ].slice(0, KEPT_PARTS);
        this.#requestedRegion = "";
        this.onChange();
      };
      this.requester.request("region", { ...frame.spec, ...wider }, { reply });
    }
    return whole ?? fine[0] ?? null;
  }

  /** Drop everything: it belongs to an old capture. */
  forget() {
    this.#parts = [];
    this.#requestedRegion = "";
    this.requester.cancel("region");
    this.#frames.clear();
    this.#rows.clear();
    this.#rowsRefused.clear();
    this.#requestedRow = null;
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
