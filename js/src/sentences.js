// Every sentence of a caption. They are in sentences.json, which Python reads too (attn_widget/pictures/drawing.py). Pure.
import sentences from "../../attn_widget/pictures/sentences.json" with { type: "json" };

/**
 * One sentence with its values filled in.
 * @param {Exclude<keyof typeof sentences, "mass">} name
 * @param {Record<string, string | number>} [values]
 */
export const sentence = (name, values = {}) =>
  sentences[name].replace(/\{(\w+)\}/g, (_, value) => String(values[value]));

/** What the sum of a row is called. @param {string} unit */
export const massName = (unit) => (unit === "flow" ? sentences.mass.flow : sentences.mass.other);
