// What the head view says: which number is read, which lines were left out and what they weigh. Pure.
import { rowValues } from "../shared/edges.js";
import { count, fixed, percent } from "../../format.js";
import { massName, sentence } from "../../sentences.js";
import { valueAt } from "../../wire/decode.js";
import { hiddenWords } from "../shared/hidden.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../view-types.js").Said} Said */
/** @typedef {import("../shared/selection.js").Focus} Focus */

/**
 * @typedef {Object} Values the focused rows, summed
 * @property {number} n
 * @property {(lane: number, other: number) => number} at
 * @property {boolean} exact
 * @property {number} sum of the rows' totals over the lanes that are on, hidden keys included
 */

/**
 * The numbers of the focused rows, added up; exact when every one of them has come.
 * @param {Pick<Scene, "frame" | "exact">} scene
 * @param {Focus} focus
 * @param {number[]} lanes
 * @returns {Values}
 */
export function focusValues(scene, focus, lanes) {
  const { frame } = scene;
  const parts = focus.rows.map((row) =>
    rowValues(frame, focus.side, row, scene.exact(focus.side, row)),
  );
  const n = parts[0].n;
  const at = (/** @type {number} */ lane, /** @type {number} */ other) =>
    parts.reduce((total, part) => total + part.at(lane, other), 0);
  let sum = 0;
  const nQueries = frame.queries.text.length;
  const rowSum = frame.arrays.row_sum;
  for (const lane of lanes) {
    if (focus.side === "query") {
      for (const row of focus.rows)
        sum += (rowSum ? valueAt(rowSum, lane * nQueries + row) : 1) || 0;
    } else {
      // As the lines are: by the numbers that came with the frame, where it holds them all.
      for (const row of focus.rows) {
        const known = frame.arrays.weights ? null : scene.exact(focus.side, row);
        const own = rowValues(frame, focus.side, row, known);
        for (let other = 0; other < n; other++) sum += own.at(lane, other) || 0;
      }
    }
  }
  return { n, at, exact: parts.every((part) => part.exact), sum };
}

/**
 * @param {Scene} scene
 * @param {Object} given
 * @param {Focus | null} given.focus
 * @param {Values | null} given.values
 * @param {number[]} given.lanes indices of the lanes that are on
 * @param {Pick<import("../shared/edges.js").Edges, "length" | "mass" | "perRow" | "rest">} given.lines
 * @param {boolean} given.joint one lane for all heads
 * @param {{ query: [number, number], key: [number, number] }} given.rows
 * @param {number} given.dropped lines beyond the budget
 * @param {import("./layout.js").HeadLayout} given.layout
 * @param {(lane: number) => string} given.colour
 */
export function describeHead(scene, given) {
  const { frame, traits } = scene;
  const { focus, values, lanes, joint } = given;
  const reading = focus && values ? readingOf(scene, { ...given, focus, values }) : null;
  const many = focus && focus.rows.length > 1;
  const mean = values
    ? (/** @type {number} */ row) =>
        lanes.reduce((total, lane) => total + values.at(lane, row), 0) / (lanes.length || 1)
    : null;
  let largest = 0;
  for (let row = 0; mean && values && row < values.n; row++)
    largest = Math.max(largest, mean(row) || 0);
  const strip = {
    columns: frame.lanes.map((lane, i) => ({
      name: String(lane.head ?? ""),
      lane: i,
      on: lanes.includes(i),
    })),
    at: values?.at ?? null,
    mean,
    strong: reading && focus ? reading.other : null,
    heading:
      (joint ? traits.method : "mean") +
      (many ? ", summed" : "") +
      (focus?.side === "key" ? " by query" : ""),
    largest,
  };
  /** @type {Said} */
  const said = {
    reading: reading?.reading ?? null,
    ...leftOut(scene, given),
    legend: null,
    label: labelOf(scene, lanes, joint),
  };
  return { strip, said };
}

/**
 * @param {Scene} scene
 * @param {{ focus: Focus, values: Values, lanes: number[], joint: boolean, colour: (lane: number) => string }} given
 * @returns {{ other: number, reading: import("../../view-types.js").Reading } | null}
 */
function readingOf(scene, { focus, values, lanes, joint, colour }) {
  const { frame } = scene;
  if (!lanes.length || !values.n) return null;
  const otherAxis = focus.side === "query" ? frame.keys : frame.queries;
  const thisAxis = focus.side === "query" ? frame.queries : frame.keys;
  const wanted = focus.pair ? focus.pair[focus.side === "query" ? "key" : "query"] : null;
  const anySpecial = otherAxis.special.some(Boolean);
  const considered =
    wanted !== null ? [wanted] : range(values.n).filter((i) => !otherAxis.special[i]);
  const pool = considered.length ? considered : range(values.n);
  let best = { value: NaN, lane: lanes[0], other: pool[0] };
  for (const lane of focus.pair?.lane !== undefined ? [focus.pair.lane] : lanes) {
    for (const other of pool) {
      const value = values.at(lane, other);
      if (value > best.value || Number.isNaN(best.value)) best = { value, lane, other };
    }
  }
  const rows = focus.rows.map((i) => thisAxis.text[i]);
  const others = [otherAxis.text[best.other]];
  const notes = [];
  if (focus.rows.length > 1) notes.push(`summed over ${focus.rows.length} tokens`);
  if (wanted === null) {
    const kind = frame.unit === "flow" ? "flow" : "share";
    const whose =
      focus.side === "query"
        ? `of ${focus.rows.length > 1 ? "these queries" : "this query"}`
        : "taken from this key";
    notes.push(
      `largest ${kind} ${whose}${anySpecial && considered.length ? ", special tokens apart" : ""}`,
    );
  } else if (!joint && focus.pair?.lane === undefined && lanes.length > 1) {
    notes.push(`largest of ${lanes.length} heads`);
  }
  notes.push(...bounds(scene, focus, best.other));
  return {
    other: best.other,
    reading: {
      queries: focus.side === "query" ? rows : others,
      keys: focus.side === "query" ? others : rows,
      where: joint ? `${scene.traits.method}, ${frame.layer_label}` : frame.layer_label,
      head: joint ? null : { name: frame.lanes[best.lane].name, colour: colour(best.lane) },
      value: best.value,
      exact: values.exact,
      unit: frame.unit,
      needs: focus.rows.map((index) => ({ side: focus.side, index })),
      notes,
    },
  };
}

/** How a joint number stands to its bound. @param {Scene} scene @param {Focus} focus @param {number} other */
function bounds(scene, focus, other) {
  const row = focus.rows.length === 1 ? scene.exact(focus.side, focus.rows[0]) : null;
  if (!row?.upper) return [];
  return [row.saturated?.[other] ? "at its bound" : `bound ${row.upper[other].toFixed(4)}`];
}

/**
 * The caption: which lines are drawn, and how much the others carry. Twin of attn_widget/pictures/captions.py.
 * @param {Scene} scene
 * @param {{ focus: Focus | null, values: Values | null, lanes: number[], joint: boolean, dropped: number,
 *   lines: Pick<import("../shared/edges.js").Edges, "length" | "mass" | "perRow" | "rest">,
 *   rows: { query: [number, number], key: [number, number] },
 *   layout: { scrolls: boolean } }} given
 */
function leftOut(scene, { focus, values, lanes, lines, rows, layout, dropped, joint }) {
  const { frame, traits } = scene;
  const nQueries = frame.queries.text.length;
  const nKeys = frame.keys.text.length;
  const all = values ? values.sum : totals(frame.arrays.row_sum, lanes, nQueries);
  const ofKey = focus?.side === "key"; // what a key receives says nothing of hidden keys
  const queries = focus && !ofKey ? focus.rows : range(nQueries);
  const hidden = ofKey ? 0 : totalOf(frame.arrays.hidden_mass, lanes, nQueries, queries);
  const pairs = lanes.length * (focus ? focus.rows.length * (values?.n ?? 0) : nQueries * nKeys);
  // Rounded weights may sum to more than the total.
  const without = Math.max(0, lines.rest ?? all - hidden - lines.mass);
  const rest = Math.min(without, all - hidden) / (all || 1);
  const left = percent(rest);
  const mass = massName(frame.unit);
  const threshold = fixed(traits.threshold, 2);
  const caption = [];
  if (lines.perRow !== null) {
    const name = joint ? "strongest_lines" : "strongest_lines_per_head";
    caption.push(sentence(name, { k: lines.perRow, n: count(nKeys), left, mass }));
    if (traits.threshold > 0) caption.push(sentence("threshold", { threshold }));
  } else if (lines.length === pairs) {
    caption.push(pairs === 1 ? sentence("one_line") : sentence("all_lines", { n: count(pairs) }));
  } else {
    const values = { drawn: count(lines.length), all: count(pairs), threshold, left, mass };
    caption.push(sentence("some_lines", values));
  }
  if (!ofKey) caption.push(...hiddenWords(frame, traits.hide_sinks, hidden / (all || 1)));
  if (layout.scrolls) {
    const [first, end] = rows.query;
    caption.push(sentence("rows", { first, last: end - 1, n: nQueries }));
  }
  if (dropped && !focus) caption.push(sentence("weaker_lines", { n: count(dropped) }));
  return { caption, mass: { drawn: Math.max(0, 1 - rest - hidden / (all || 1)), all: 1 } };
}

/** @param {import("../../types.js").FrameArray | undefined} array @param {number[]} lanes @param {number} n */
const totals = (array, lanes, n) => (array ? totalOf(array, lanes, n, range(n)) : lanes.length * n);

/**
 * @param {import("../../types.js").FrameArray | undefined} array (lane, query)
 * @param {number[]} lanes @param {number} n @param {number[]} rows
 */
function totalOf(array, lanes, n, rows) {
  let total = 0;
  if (!array) return total;
  for (const lane of lanes) for (const row of rows) total += valueAt(array, lane * n + row) || 0;
  return total;
}

/** @param {Scene} scene @param {number[]} lanes @param {boolean} joint */
function labelOf({ frame, traits }, lanes, joint) {
  const heads = joint ? "" : `, heads ${lanes.map((lane) => frame.lanes[lane].head).join(", ")}`;
  const size = `${frame.queries.text.length} queries by ${frame.keys.text.length} keys`;
  return `${traits.method} attention of ${frame.layer_label}${heads}, token by token: ${size}`;
}

/** @param {number} n */
const range = (n) => Array.from({ length: n }, (_, i) => i);
