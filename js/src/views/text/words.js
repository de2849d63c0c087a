// What the text view shades and says. Pure.
import drawing from "../../../../attn_widget/pictures/drawing.json" with { type: "json" };
import { lanesOn, rowValues } from "../shared/edges.js";
import { scaleTable, themeOf } from "../../paint/palettes.js";
import { fixed, many, percent } from "../../format.js";
import { massName, sentence } from "../../sentences.js";
import { valueAt } from "../../wire/decode.js";
import { largest } from "../shared/pair.js";
import { rowsOf } from "../shared/selection.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../view-types.js").Said} Said */
/** @typedef {import("../../types.js").Side} Side */

/**
 * The token that the text is shaded for: a pin, else what is hovered; and what is read.
 * @typedef {{ side: Side, rows: number[], pinned: boolean, read: number | null }} TextFocus
 */

/**
 * Unlike in the pictures, a pin stays while others are hovered: the shade answers for it, the hovered is read.
 * @param {Scene} scene
 * @returns {TextFocus | null}
 */
export function textFocus({ frame, traits, hover }) {
  const on = hover && "side" in hover ? hover : null;
  const query = rowsOf(frame.queries, traits.query);
  const key = rowsOf(frame.keys, traits.key);
  if (query.length)
    return { side: "query", rows: query, pinned: true, read: on ? on.index : (key[0] ?? null) };
  if (key.length) return { side: "key", rows: key, pinned: true, read: on ? on.index : null };
  return on ? { side: on.side, rows: [on.index], pinned: false, read: null } : null;
}

/**
 * The mean over the heads that are on of what the focus takes from each token (or gives to).
 * @param {Scene} scene
 * @param {TextFocus} focus
 */
export function shades(scene, focus) {
  const { frame, traits } = scene;
  const lanes = lanesOn(frame, traits.heads);
  const axis = focus.side === "query" ? frame.keys : frame.queries;
  const rows = (/** @type {boolean} */ asSent) =>
    focus.rows.map((row) =>
      rowValues(frame, focus.side, row, asSent ? null : scene.exact(focus.side, row)),
    );
  const parts = rows(false);
  const values = means(parts, lanes);
  const largest = largestOf(values, axis.special);
  // The caption reads the numbers that came with the frame, as Python does: it does not change when
  // exact numbers arrive. A frame of only the strongest keys is completed by them.
  const isOther = !!frame.arrays.weights && parts.some(({ exact }) => exact);
  const sent = isOther ? means(rows(true), lanes) : values;
  return {
    n: values.length,
    lanes,
    largest,
    rounded: isOther ? largestOf(sent, axis.special) : largest,
    special: sent.reduce((sum, value, i) => sum + ((axis.special[i] && value) || 0), 0),
    exact: parts.every((part) => part.exact),
    at: (/** @type {number} */ row) => Math.min(largest, values[row]),
    value: (/** @type {number} */ row) => values[row],
  };
}

/**
 * The sum over the focused rows, the mean over the lanes.
 * @param {ReturnType<typeof rowValues>[]} parts
 * @param {number[]} lanes
 */
function means(parts, lanes) {
  const values = new Float64Array(parts[0].n);
  for (const part of parts) {
    for (const lane of lanes)
      for (let i = 0; i < values.length; i++) values[i] += part.at(lane, i) / lanes.length;
  }
  return values;
}

/** The largest value of the tokens that are not special. @param {Float64Array} values @param {number[]} special */
function largestOf(values, special) {
  let largest = 0;
  for (const [i, value] of values.entries()) if (!special[i] && value > largest) largest = value;
  return largest;
}

/**
 * @param {Scene} scene
 * @param {TextFocus | null} focus
 * @param {ReturnType<typeof shades> | null} shade
 * @param {string} darkest the colour of the largest value
 * @returns {Said}
 */
export function describeText(scene, focus, shade, darkest) {
  const { frame, traits, width } = scene;
  const label = `the text, shaded by ${traits.method} attention of ${frame.layer_label}`;
  if (!focus || !shade) {
    return {
      reading: null,
      caption: [extent(frame)],
      mass: null,
      legend: null,
      label,
    };
  }
  const axis = focus.side === "query" ? frame.keys : frame.queries;
  const own = focus.side === "query" ? frame.queries : frame.keys;
  const order = largest(shade.n, width < 600 ? 6 : 10, (i) =>
    axis.special[i] ? NaN : shade.value(i),
  );
  const read = focus.read ?? order[0] ?? 0;
  const rows = focus.rows.map((row) => own.text[row]);
  const joint = frame.lanes[0]?.head === null;
  const mean = joint
    ? ""
    : shade.lanes.length === 1
      ? `, ${frame.lanes[shade.lanes[0]].name}`
      : `, mean of ${shade.lanes.length} heads`;
  return {
    reading: {
      queries: focus.side === "query" ? rows : [axis.text[read]],
      keys: focus.side === "query" ? [axis.text[read]] : rows,
      where: `${joint ? `${traits.method}, ` : ""}${frame.layer_label}${mean}`,
      head: null,
      value: shade.value(read),
      exact: shade.exact,
      unit: frame.unit,
      needs: focus.rows.map((index) => ({ side: focus.side, index })),
      notes: focus.rows.length > 1 ? [`summed over ${focus.rows.length} tokens`] : [],
    },
    ...notShaded(scene, focus, shade),
    legend: {
      name: frame.unit,
      marks: [
        "0",
        String(Number((shade.largest / 2).toPrecision(2))),
        String(Number(shade.largest.toPrecision(3))),
      ],
      stops: ["transparent", `color-mix(in srgb, ${darkest} 50%, transparent)`, darkest],
      canRoot: false,
    },
    strongest: {
      token: rows.join(" + "),
      verb: sentence(focus.side === "query" ? "strongest_keys" : "strongest_queries"),
      after: true,
      rows: order.map((i) => ({
        text: axis.text[i],
        position: axis.positions[i][0],
        value: shade.value(i),
        share: shade.largest ? shade.value(i) / shade.largest : 0,
        index: i,
      })),
      colour: scaleTable("sequential", scene.look.dark).css[themeOf(scene.look.dark).list_bar],
      exact: shade.exact,
    },
    label: `${label}, for ${rows.join(", ")}`,
  };
}

/** @param {import("../../types.js").Frame} frame */
function extent({ keys, grid, seconds }) {
  const n = keys.text.length;
  if (grid) return sentence("patches", { rows: grid[0], columns: grid[1] });
  if (!seconds) return many(n, "token");
  const each = fixed(seconds, 2);
  return sentence("sound", { frames: many(n, "frame"), each, all: fixed(n * seconds, 1) });
}

/** How much goes to hidden keys, else to special tokens, and where shading ends. @param {Scene} scene @param {TextFocus} focus @param {ReturnType<typeof shades>} shade */
function notShaded({ frame }, focus, shade) {
  const caption = [];
  let mass = null;
  if (focus.side === "query") {
    const n = frame.queries.text.length;
    const sum = (/** @type {string} */ name, /** @type {number} */ otherwise) => {
      const array = frame.arrays[name];
      let total = 0;
      for (const lane of shade.lanes) {
        for (const row of focus.rows)
          total += (array ? valueAt(array, lane * n + row) : otherwise) || 0;
      }
      return total;
    };
    const all = sum("row_sum", 1) || 1;
    const { hidden = [] } = frame.keys;
    const apart = hidden.length ? sum("hidden_mass", 0) : shade.special * shade.lanes.length;
    if (apart / all > 5e-5) {
      mass = { drawn: Math.max(0, 1 - apart / all), all: 1 };
      const several = focus.rows.length > 1;
      const values = { share: percent(apart / all), mass: massName(frame.unit) };
      caption.push(
        hidden.length
          ? sentence(several ? "hidden_from_queries" : "hidden_from_query", {
              ...values,
              what: hidden.join(", "),
            })
          : sentence(several ? "special_of_queries" : "special_of_query", values),
      );
    }
  }
  caption.push(sentence("least_shade", { value: fixed(shade.rounded * drawing.least_shade, 3) }));
  return { caption, mass };
}
