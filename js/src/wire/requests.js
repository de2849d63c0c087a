// Requests and replies over custom messages. One requester per view; several share a model, so each has a
// session of its own in its ids. Every request gets one reply; the newest of each name wins.

/** @typedef {import("../types.js").Failure} Failure */
/** @typedef {import("../types.js").Progress} Progress */

/**
 * @typedef {Object} Handlers
 * @property {(data: any, buffers: any[]) => void} reply
 * @property {(failure: Failure) => void} [fail]
 * @property {(progress: Progress, data: any, buffers: any[]) => void} [progress]
 */

/** @type {Failure} */
export const GONE = {
  name: "Disconnected",
  message: "No kernel answers.",
  remedy: "Run the cell again.",
};

export class Requester {
  /** @type {Map<string, { name: string } & Handlers>} */
  #waiting = new Map();
  #count = 0;

  /**
   * @param {(message: any) => void} send throws where no kernel is left to hear it
   * @param {string} [session]
   */
  constructor(send, session = Math.random().toString(36).slice(2, 10)) {
    this.session = session;
    /** @param {any} message @returns {boolean} whether it went out: after a restart the host's line is cut */
    this.send = (message) => {
      try {
        send(message);
        return true;
      } catch {
        return false;
      }
    };
  }

  /**
   * Ask, and drop whatever was asked under the same name before: its reply, when it comes, is ignored.
   * @param {string} name
   * @param {any} data
   * @param {Handlers} handlers
   * @returns {string} the request's id
   */
  ask(name, data, handlers) {
    this.cancel(name);
    const id = `${this.session}-${this.#count++}`;
    this.#waiting.set(id, { name, ...handlers });
    if (!this.send({ kind: "request", id, name, data })) {
      // Answered after this call, as a kernel would: who asks first notes what it waits for.
      queueMicrotask(() => this.receive({ kind: "reply", id, error: GONE }));
    }
    return id;
  }

  /**
   * Give up on what was asked under this name, and tell the other side.
   * @param {string} name
   */
  cancel(name) {
    for (const [id, request] of this.#waiting) {
      if (request.name !== name) continue;
      this.#waiting.delete(id);
      this.send({ kind: "cancel", id });
    }
  }

  /** @param {string} name */
  isWaiting(name) {
    return [...this.#waiting.values()].some((request) => request.name === name);
  }

  /**
   * Take a message; others' and late ones fall through.
   * @param {any} message
   * @param {any[]} [buffers]
   */
  receive(message, buffers = []) {
    const request = this.#waiting.get(message?.id);
    if (!request) return;
    if (message.kind === "progress") {
      const { what, done, total, elapsed_ms } = message;
      request.progress?.({ what, done, total, elapsed_ms }, message.data, buffers);
    } else if (message.kind === "reply") {
      this.#waiting.delete(message.id);
      if (message.error) request.fail?.(message.error);
      else request.reply(message.data, buffers);
    }
  }

  /** Everything waiting is cancelled and the kernel may forget: the view goes. */
  close() {
    for (const id of this.#waiting.keys()) this.send({ kind: "cancel", id });
    this.#waiting.clear();
    this.send({ kind: "bye", id: this.session });
  }
}
