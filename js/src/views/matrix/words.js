// What the matrix view says: the pair that is read, the strongest of a row, the legend. Pure.
import { scaleTable, themeOf } from "../../paint/palettes.js";
import { openRows } from "../../paint/heatmap.js";
import { count } from "../../format.js";
import { sentence } from "../../sentences.js";
import { hiddenShare, hiddenWords } from "../shared/hidden.js";
import { largest, pairOf } from "../shared/pair.js";
import { poolOf } from "../shared/masking.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../view-types.js").Said} Said */
/** @typedef {import("../shared/selection.js").Focus} Focus */

/**
 * @param {Scene} scene
 * @param {Object} given
 * @param {import("./layout.js").MatrixLayout} given.layout
 * @param {boolean} given.waits finer cells are on their way
 * @param {Focus | null} given.focus
 * @param {boolean} given.root
 * @param {number} given.scale
 * @param {number} given.listed how many of the strongest there is room for
 * @returns {Said}
 */
export function describeMatrix(scene, { layout, waits, focus, root, scale, listed }) {
  const { frame, traits, look } = scene;
  const joint = frame.lanes[0]?.head === null;
  const block = focus?.pair?.span;
  const finest = layout.pool < poolOf(frame)[0] && !waits ? 1 : poolOf(frame)[0];
  return {
    reading: !focus ? null : block ? blockReading(scene, focus) : readingOf(scene, focus, joint),
    caption: sentences(scene, layout, finest),
    mass: null,
    legendBeside: true,
    legend: legendOf(frame.unit, scale, root, look.dark),
    strongest: focus && !block ? strongestOf(scene, focus, listed) : null,
    note: noteOf(scene),
    label:
      `${traits.method} of ${frame.layer_label}${joint ? "" : `, ${frame.lanes[0].name}`}, every query by every key: ` +
      `${frame.queries.text.length} by ${frame.keys.text.length}`,
  };
}

/** @param {Scene} scene @param {Focus} focus @param {boolean} joint @returns {import("../../view-types.js").Reading | null} */
function readingOf(scene, focus, joint) {
  const { frame, traits } = scene;
  const pair = pairOf(scene, frame, focus);
  if (!pair) return null;
  const exact = scene.exact(pair.side, pair.row);
  const notes = [];
  if (!focus.pair)
    notes.push(
      `largest ${pair.side === "query" ? "of this query" : "taken from this key"}, special tokens apart`,
    );
  if (exact?.upper)
    notes.push(
      exact.saturated?.[pair.other]
        ? "at its bound"
        : `bound ${exact.upper[pair.other].toFixed(4)}`,
    );
  if (exact?.lower) notes.push(`rollout ${exact.lower[pair.other].toFixed(4)}`);
  return {
    queries: [frame.queries.text[pair.query]],
    keys: [frame.keys.text[pair.key]],
    where: joint ? `${traits.method}, ${frame.layer_label}` : frame.layer_label,
    head: joint ? null : { name: frame.lanes[0].name, colour: "" },
    value: pair.value,
    exact: pair.exact,
    unit: frame.unit,
    needs: [{ side: pair.side, index: pair.row }],
    notes,
  };
}

/**
 * A block of pairs that are not known one by one: the largest, never called exact.
 * @param {Scene} scene @param {Focus} focus
 * @returns {import("../../view-types.js").Reading}
 */
function blockReading({ frame, traits }, { pair }) {
  const { query = 0, key = 0, span = 1, value = 0 } = pair ?? {};
  const ends = (/** @type {string[]} */ text, /** @type {number} */ at) =>
    [text[at], text[Math.min(text.length, at + span) - 1]].join(" … ");
  return {
    queries: [ends(frame.queries.text, query)],
    keys: [ends(frame.keys.text, key)],
    where: `${traits.method}, ${frame.layer_label}`,
    head: frame.lanes[0]?.head === null ? null : { name: frame.lanes[0].name, colour: "" },
    value,
    exact: false,
    unit: frame.unit,
    notes: [`largest of ${span} × ${span} pairs`],
  };
}

/** @param {Scene} scene @param {Focus} focus @param {number} listed @returns {import("../../view-types.js").Strongest | null} */
function strongestOf(scene, focus, listed) {
  const { frame, look } = scene;
  const pair = pairOf(scene, frame, focus);
  if (!pair) return null;
  const { side, row, values } = pair;
  const axis = side === "query" ? frame.keys : frame.queries;
  const order = largest(values.n, listed, (i) => values.at(0, i) || NaN); // zeros are not strong
  const most = order.length ? values.at(0, order[0]) : 1;
  return {
    token: (side === "query" ? frame.queries : frame.keys).text[row],
    verb: side === "query" ? "strongest for" : "strongest to",
    rows: order.map((i) => ({
      text: axis.text[i],
      position: axis.positions[i][0],
      value: values.at(0, i),
      share: values.at(0, i) / most,
      index: i,
    })),
    colour: scaleTable("sequential", look.dark).css[themeOf(look.dark).list_bar],
    exact: values.exact,
  };
}

/**
 * The scale as a legend: colours and the numbers at its ends and middle.
 * @param {string} unit @param {number} scale @param {boolean} root @param {boolean} dark
 * @param {boolean} [canRoot] a click switches between linear and square root
 * @returns {import("../../view-types.js").Legend}
 */
export function legendOf(unit, scale, root, dark, canRoot = true) {
  const { css } = scaleTable("sequential", dark);
  const mark = (/** @type {number} */ value) =>
    value === 0 || Number.isInteger(value)
      ? String(value)
      : String(Number(value.toPrecision(2))).replace(/^0\./, ".");
  return {
    name: `${unit}${root ? ", √ scale" : ""}`,
    marks: [mark(0), mark(scale * (root ? 0.25 : 0.5)), mark(scale)],
    stops: Array.from({ length: 17 }, (_, i) => css[Math.round((i / 16) * 255)]),
    canRoot,
  };
}

/** @param {Scene} scene @param {import("./layout.js").MatrixLayout} layout @param {number} finest tokens per cell as fine as they came */
function sentences({ frame, traits, width }, layout, finest) {
  const pool = Math.max(layout.pool, finest);
  const size = { rows: count(frame.queries.text.length), columns: count(frame.keys.text.length) };
  const caption = [];
  if (pool > 1)
    caption.push(
      sentence("pooled_cells", { ...size, a: Math.max(layout.rowPool, finest), b: pool }),
    );
  else if (layout.whole) caption.push(sentence("cells", size));
  else {
    const { visibleRows: visible_rows, visibleColumns: visible_columns } = layout;
    caption.push(sentence("part_of_cells", { ...size, visible_rows, visible_columns }));
  }
  if (width >= 600 && (!layout.label || !layout.whole)) caption.push(sentence("zoom"));
  if (frame.causal) caption.push(sentence("causal"));
  caption.push(...hiddenWords(frame, traits.hide_sinks, hiddenShare(frame)));
  return caption;
}

/** What is exact and what is not yet. @param {Scene} scene */
function noteOf({ frame }) {
  const runs = openRows(frame.arrays.exact, 1);
  if (!runs.length) return undefined;
  const n = frame.queries.text.length;
  const open = runs.reduce((total, [from, to]) => total + to - from, 0);
  const which =
    runs.length === 1 && runs[0][1] === n
      ? `Rows 0–${runs[0][0] - 1} are exact.`
      : `${n - open} of ${n} rows are exact.`;
  return `${open === n ? "No row is exact yet." : which} Hatched: the upper bound. The exact value is never larger.`;
}
