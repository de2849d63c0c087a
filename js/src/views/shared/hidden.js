// What is not shown of the keys, and how much attention goes there. Pure.
import { percent } from "../../format.js";

/**
 * @param {import("../../types.js").Frame} frame
 * @param {boolean} hide_sinks
 * @param {number} share of what is drawn, that goes to hidden keys
 * @param {string} of whose share it is: "of the attention goes there", or "" where there is little room
 * @returns {string[]} sentences for the caption
 */
export function hiddenWords({ keys }, hide_sinks, share, of) {
  const { hidden = [] } = keys;
  const said = hidden.length
    ? [`hidden: ${hidden.join(", ")}, ${percent(share)}${of && ` ${of}`}`]
    : [];
  if (hide_sinks && !hidden.some((what) => what.startsWith("sink ")))
    said.push("no sink: no key takes over 30 %");
  return said;
}

/** The share of a frame's attention that goes to hidden keys. @param {import("../../types.js").Frame} frame */
export function hiddenShare({ arrays }) {
  const sum = (/** @type {string} */ name) =>
    Array.from(arrays[name]?.data ?? []).reduce((a, b) => a + b, 0);
  return sum("hidden_mass") / (sum("row_sum") || 1);
}
