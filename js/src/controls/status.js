// Progress, error and notice of the readout line: decided here, worded in readout.js.

/** @typedef {import("../types.js").Traits} Traits */
/** @typedef {import("../types.js").Failure} Failure */
/**
 * What waits for a reply: the frames, or a file.
 * @typedef {Pick<import("../wire/frames.js").Store, "pending" | "failed">} Waiting
 */

export const WORKING_AFTER_MS = 150; // shorter work is not shown
const TICK_MS = 200;
export const NARROWEST = 360; // below, only the matrix and the text can be read

/**
 * @typedef {Object} Work
 * @property {string} what
 * @property {number} done
 * @property {number} total
 * @property {number} elapsed ms
 * @property {number | null} share of the work that is done, null where that is not known
 */

/**
 * What is being computed, once it takes long enough to be shown; and when to look again.
 * @param {Waiting} waiting
 * @param {Traits} traits
 * @param {number} runningSince when the model began to run, 0 while it does not
 * @param {number} now
 * @returns {{ work: Work | null, again: number | null }} `again` in ms
 */
export function workOf(waiting, traits, runningSince, now) {
  const since = traits.running ? runningSince : (waiting.pending?.since ?? 0);
  if (!since) return { work: null, again: null };
  const elapsed = now - since;
  if (elapsed < WORKING_AFTER_MS) return { work: null, again: WORKING_AFTER_MS - elapsed + 5 };
  if (traits.running) {
    return {
      work: { what: traits.running, done: 0, total: 0, elapsed, share: null },
      again: TICK_MS,
    };
  }
  const { what = traits.method, done = 0, total = 0 } = waiting.pending?.progress ?? {};
  return {
    work: { what, done, total, elapsed, share: total ? done / total : null },
    again: TICK_MS,
  };
}

/**
 * @param {Waiting} waiting
 * @param {Traits} traits
 * @param {number} dismissed id of the last error that the user has read
 * @returns {Failure | null}
 */
export function failureOf(waiting, traits, dismissed) {
  if (waiting.failed) return waiting.failed.failure;
  const { error } = traits;
  if (error.where !== "request" || !error.message || (error.id ?? 0) <= dismissed) return null;
  return {
    name: error.name ?? "Error",
    message: error.message,
    remedy: error.remedy,
    code: error.code,
  };
}

/**
 * @param {Object} given
 * @param {Traits} given.traits
 * @param {boolean} given.noMatch
 * @param {boolean} given.hasPicture
 * @param {boolean} given.tooNarrow
 * @param {boolean} given.kernelReplies
 * @param {string} given.notKept
 * @returns {string | null} null = nothing special
 */
export function noticeOf({ traits, noMatch, hasPicture, tooNarrow, kernelReplies, notKept }) {
  if (noMatch) return `no token contains “${traits.find.trim()}”`;
  if (tooNarrow) return "At this width only the matrix and the text can be shown.";
  if (hasPicture) return null;
  if (!kernelReplies && notKept) return notKept;
  return kernelReplies
    ? " "
    : "The kernel does not reply: it is busy or gone. Run the cell again to see the picture.";
}
