// What the neuron view says: one product of one channel, and whether the recomputed weights are the measured ones. Pure.
import drawing from "../../../../attn_widget/pictures/drawing.json" with { type: "json" };
import { scaleTable } from "../../paint/palettes.js";
import { fixed } from "../../format.js";
import { sentence } from "../../sentences.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../types.js").Frame} Frame */

/**
 * @param {Scene} scene
 * @param {{ product: Float32Array, key: number, channel: number, clip: number } | null} given
 * @returns {import("../../view-types.js").Said}
 */
export function describeNeuron({ frame, look }, given) {
  const head = frame.spec.head;
  const label = `${frame.layer_label}, head ${head}: how each key's weight comes about`;
  if (!given) return { reading: null, caption: [], mass: null, legend: null, label };
  const { product, key, channel, clip } = given;
  const d = frame.arrays.k.shape[1];
  const q = fixed(frame.arrays.q.data[channel], 3);
  const k = fixed(frame.arrays.k.data[key * d + channel], 3);
  const part = fixed(product[key * d + channel], 3);
  const query = frame.queries.text[frame.query ?? 0];
  return {
    reading: {
      queries: [query],
      keys: [frame.keys.text[key]],
      where: `${frame.layer_label}, measured`,
      head: { name: `head ${head}`, colour: "" },
      value: frame.arrays.measured.data[key],
      exact: true,
      unit: "share",
      notes: [
        `channel ${channel}: ${q} × ${k} = ${part} of ${fixed(frame.arrays.dot.data[key], 3)}`,
      ],
    },
    caption: [
      check(frame),
      has(frame),
      sentence("clipped", { percentile: drawing.clip_percentile }),
    ],
    mass: null,
    legend: {
      name: "q × k",
      marks: [fixed(-clip, 1), "0", fixed(clip, 1)],
      stops: Array.from(
        { length: 17 },
        (_, i) => scaleTable("diverging", look.dark).css[Math.round((i / 16) * 255)],
      ),
      canRoot: false,
    },
    label: `${label}, for ${query}`,
  };
}

/** @param {Frame} frame */
function check({ difference = 0, passed }) {
  return sentence(passed ? "agrees" : "does_not_agree", { difference: power(difference) });
}

/** A small number as 3.5 × 10⁻⁷. @param {number} value */
function power(value) {
  if (!value) return "0";
  const [digits, exponent] = value.toExponential(1).split("e");
  const raised = [...exponent.replace("+", "")].map((c) =>
    c === "-" ? "⁻" : "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)],
  );
  return `${digits} × 10${raised.join("")}`;
}

/** @param {Frame} frame */
function has({ stages = [], softcap, sink }) {
  const parts = [
    stages.some(({ name }) => name === "bias") ? "bias" : "",
    softcap ? `softcap ${softcap}` : "",
    stages.some(({ name }) => name === "mask") ? "mask" : "",
    typeof sink === "number" ? "sink logit" : "",
  ].filter(Boolean);
  return parts.length ? sentence("parts", { parts: parts.join(", ") }) : sentence("no_parts");
}
