// Caches the last result of a pure function: a hover needs the same layout sixty times a second.

/**
 * @template {any[]} A
 * @template R
 * @param {(...args: A) => R} fn
 * @returns {(...args: A) => R}
 */
export function memo(fn) {
  /** @type {A | null} */
  let last = null;
  /** @type {any} */
  let result;
  return (/** @type {A} */ ...args) => {
    if (!last || args.length !== last.length || args.some((arg, i) => !Object.is(arg, last?.[i]))) {
      result = fn(...args);
      last = args;
    }
    return result;
  };
}
