// Pointer events of a stage, as targets: hover, pin, and on touch tap = hover, tap again = pin.

/** @typedef {import("../../view-types.js").Target} Target */

/**
 * @param {HTMLElement} element
 * @param {(x: number, y: number) => Target | null} hit CSS pixels of the element
 * @param {import("../../view-types.js").Callbacks} callbacks
 * @param {AbortSignal} signal
 */
export function listen(element, hit, callbacks, signal) {
  /** @type {string} */
  let tapped = "";
  /** @param {MouseEvent} event */
  const at = (event) => {
    const box = element.getBoundingClientRect();
    return hit(event.clientX - box.left, event.clientY - box.top);
  };
  element.addEventListener(
    "pointermove",
    (event) => {
      if (event.pointerType !== "touch") callbacks.onHover(at(event));
    },
    { signal },
  );
  element.addEventListener("pointerleave", () => callbacks.onHover(null), { signal });
  element.addEventListener(
    "click",
    (event) => {
      const target = at(event);
      const touch = /** @type {PointerEvent} */ (event).pointerType === "touch";
      if (touch && JSON.stringify(target) !== tapped) {
        tapped = JSON.stringify(target);
        callbacks.onHover(target);
      } else if (target) {
        callbacks.onPin(target, event.shiftKey || event.ctrlKey || event.metaKey);
      }
    },
    { signal },
  );
}

/** @param {Target | null} a @param {Target | null} b */
export function sameTarget(a, b) {
  return a === b || (!!a && !!b && JSON.stringify(a) === JSON.stringify(b));
}

/**
 * The target where the frame still has it: a frame with fewer rows may arrive while the pointer rests.
 * @param {Target | null} target
 * @param {import("../../types.js").Frame} frame
 * @returns {Target | null}
 */
export function targetIn(target, { queries, keys }) {
  if (!target || "layer" in target) return target;
  const [nQueries, nKeys] = [queries.text.length, keys.text.length];
  if ("side" in target)
    return target.index < (target.side === "query" ? nQueries : nKeys) ? target : null;
  return target.query < nQueries && target.key < nKeys ? target : null;
}

/**
 * Scroll so that a row is in the viewport: as little as possible, or to the middle where it was far
 * away.
 * @param {HTMLElement} element
 * @param {number} row height of a row
 * @param {number} room height of the viewport
 * @param {number} index
 */
export function revealRow(element, row, room, index) {
  const [top, now] = [index * row, element.scrollTop];
  const last = room - 2 * row;
  if (top < now - room || top > now + 2 * room) element.scrollTop = top - room / 2;
  else if (top < now) element.scrollTop = top - row;
  else if (top > now + last) element.scrollTop = top - last;
}
