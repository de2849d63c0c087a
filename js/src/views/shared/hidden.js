// Which keys are hidden, and how much attention goes to them. Pure.
import drawing from "../../../../attn_widget/pictures/drawing.json" with { type: "json" };
import { percent } from "../../format.js";
import { massName, sentence } from "../../sentences.js";
import { valueAt } from "../../wire/decode.js";

/**
 * @param {import("../../types.js").Frame} frame
 * @param {boolean} hide_sinks
 * @param {number} share of the frame's attention, that goes to hidden keys
 * @returns {string[]} sentences for the caption
 */
export function hiddenWords({ keys, unit }, hide_sinks, share) {
  const { hidden = [] } = keys;
  const words = { what: hidden.join(", "), share: percent(share), mass: massName(unit) };
  const caption = hidden.length ? [sentence("hidden", words)] : [];
  if (hide_sinks && !hidden.some((what) => what.startsWith("sink ")))
    caption.push(sentence("no_sink", { limit: percent(drawing.sink_share, 0) }));
  return caption;
}

/** The share of a frame's attention that goes to hidden keys. @param {import("../../types.js").Frame} frame */
export function hiddenShare({ arrays }) {
  const sum = (/** @type {string} */ name) => {
    const array = arrays[name];
    let total = 0;
    for (let i = 0; i < (array?.data.length ?? 0); i++) total += valueAt(array, i) || 0;
    return total;
  };
  return sum("hidden_mass") / (sum("row_sum") || 1);
}
