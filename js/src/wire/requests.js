// Requests and replies over custom messages. Several requesters share one model, so the ids of each
// carry a session of their own. Every request gets one reply; a newer request of the same name
// cancels the older one.

/** @typedef {import("../types.js").Failure} Failure */
/** @typedef {import("../types.js").Progress} Progress */

/**
 * @typedef {Object} Handlers
 * @property {(data: any, buffers: any[]) => void} reply
 * @property {(failure: Failure) => void} [fail]
 * @property {(progress: Progress, data: any, buffers: any[]) => void} [progress]
 */

// Some hosts (Shiny) hold back what the kernel sends until they receive the next message. While a
// reply is late, the page therefore sends small messages that need no reply.
const PING_AFTER_MS = 300;
const PING_EVERY_MS = 1500; // at most; a busy kernel reads them all when it is done

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
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #ping;

  /**
   * @param {(message: any) => void} send throws where the connection to the kernel is lost
   * @param {string} [session]
   */
  constructor(send, session = Math.random().toString(36).slice(2, 10)) {
    this.session = session;
    /**
     * @param {any} message
     * @returns {boolean} whether it was sent: after a restart of the kernel the connection is lost
     */
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
   * Send a request and cancel an older one of the same name: its reply will be ignored.
   * @param {string} name
   * @param {any} data
   * @param {Handlers} handlers
   * @returns {string} the request's id
   */
  request(name, data, handlers) {
    this.cancel(name);
    const id = `${this.session}-${this.#count++}`;
    this.#waiting.set(id, { name, ...handlers });
    clearTimeout(this.#ping);
    this.#pingAfter(PING_AFTER_MS);
    if (!this.send({ kind: "request", id, name, data })) {
      // Fail after this call returns, as a kernel would: the caller first stores what it waits for.
      queueMicrotask(() => this.receive({ kind: "reply", id, error: GONE }));
    }
    return id;
  }

  /** @param {number} ms */
  #pingAfter(ms) {
    this.#ping = setTimeout(() => {
      if (this.#waiting.size && this.send({ kind: "ping" }))
        this.#pingAfter(Math.min(2 * ms, PING_EVERY_MS));
    }, ms);
  }

  /**
   * Cancel the requests of this name, here and in the kernel.
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
   * Take a message; those of other views and late ones are ignored.
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
      if (!this.#waiting.size) clearTimeout(this.#ping);
      if (message.error) request.fail?.(message.error);
      else request.reply(message.data, buffers);
    }
  }

  /** The view closes: cancel all requests; the kernel may drop what it holds for this session. */
  close() {
    for (const id of this.#waiting.keys()) this.send({ kind: "cancel", id });
    this.#waiting.clear();
    clearTimeout(this.#ping);
    this.send({ kind: "bye", id: this.session });
  }
}
