// What the neuron view draws: the names of its columns, one row per key, the frame around one
// channel. Pure but for its context.
import { fixed } from "../../format.js";
import { onHalf, setFont, write } from "../../paint/canvas.js";
import { headColours, scaleTable } from "../../paint/palettes.js";
import { paintToken } from "../../paint/tokens.js";
import { found } from "../shared/find.js";
import { rowsOf } from "../shared/selection.js";
import { groupOf } from "../../wire/spec.js";
import { HEADER } from "./layout.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../types.js").Frame} Frame */
/** @typedef {CanvasRenderingContext2D} Context */

/**
 * @typedef {Object} Placing
 * @property {import("./layout.js").NeuronLayout} layout
 * @property {Float32Array} product query × key, channel by channel
 * @property {number[]} order channels in the order in which they are drawn
 * @property {boolean} byContribution the largest contribution first
 * @property {number} scroll CSS pixels
 * @property {number} vectorClip the value of the last colour of q and k
 * @property {number} productClip
 */

/**
 * The names of the columns, and the query's own row.
 * @param {Context} ctx
 * @param {Scene} scene
 * @param {Placing} placing
 */
export function paintHeader(ctx, scene, placing) {
  const { frame, look } = scene;
  const { layout } = placing;
  const column = (
    /** @type {string} */ name,
    /** @type {string} */ below,
    /** @type {number} */ x,
    /** @type {CanvasTextAlign} */ align,
  ) => {
    setFont(ctx, look, 12, 600);
    write(ctx, name, x, 8, align, look.ink);
    setFont(ctx, look, 11);
    write(ctx, below, x, 24, align, look.ink3);
  };
  if (layout.xKey !== null) column("k", `key, ${frame.channels} channels`, layout.xKey, "left");
  column("q × k", "channel by channel", layout.xProduct, "left");
  for (const { name, x } of layout.numbers) {
    const stage = stagesOf(frame).find((each) => each.name === name);
    const below = name === "bias" && frame.bias_kind ? frame.bias_kind : (SHORT[name] ?? "");
    column(name === "scaled" ? scaleName(frame) : (stage?.label ?? name), below, x, "right");
  }
  column("softmax", "share of this query", layout.xBar, "left");
  const x = layout.xKey ?? layout.xProduct;
  paintToken(ctx, look, frame.queries.text[frame.query ?? 0], x - 12, 48, {
    align: "right",
    size: 13,
    room: layout.room,
    pinned: true,
  });
  paintVector(ctx, scene, placing, frame.arrays.q.data, 0, x, 48, placing.vectorClip);
  if (layout.xKey !== null) {
    setFont(ctx, look, 11);
    write(ctx, "q, the pinned query", layout.xProduct, 48, "left", look.ink3);
  }
  ctx.fillStyle = look.rule;
  ctx.fillRect(0, 66, layout.width, 1);
}

/**
 * One row per key in the viewport; below the last one the sum.
 * @param {Context} ctx
 * @param {Scene} scene
 * @param {Placing} placing
 * @param {number} chosen the key whose row is marked
 */
export function paintRows(ctx, scene, placing, chosen) {
  const { frame, traits, look, focused } = scene;
  const { layout, product, scroll, vectorClip, productClip } = placing;
  const [n] = frame.arrays.k.shape;
  const colour = headColours(
    groupOf(traits).heads,
    [traits.head],
    look.dark,
    look.ink,
  )(traits.head);
  const pins = new Set(rowsOf(frame.keys, traits.key));
  const marked = found(frame.keys, traits.find);
  const first = Math.floor(scroll / layout.row);
  const last = Math.min(n, Math.ceil((scroll + layout.height - HEADER) / layout.row));
  for (let key = first; key < last; key++) {
    const y = HEADER + key * layout.row + layout.row / 2 - scroll;
    const isChosen = key === chosen;
    if (isChosen) {
      ctx.fillStyle = look.fill;
      ctx.fillRect(0, y - layout.row / 2, layout.width, layout.row);
    }
    const x = layout.xKey ?? layout.xProduct;
    paintToken(ctx, look, frame.keys.text[key], x - 12, y, {
      align: "right",
      size: 13,
      room: layout.room,
      special: !!frame.keys.special[key],
      pinned: pins.has(key),
      found: marked.has(key),
      focus: focused && pins.has(key),
    });
    if (layout.xKey !== null)
      paintVector(ctx, scene, placing, frame.arrays.k.data, key, layout.xKey, y, vectorClip);
    paintVector(ctx, scene, placing, product, key, layout.xProduct, y, productClip);
    setFont(ctx, look, 12, isChosen ? 600 : 400);
    for (const { name, x: right } of layout.numbers) {
      write(ctx, fixed(frame.arrays[name].data[key], 2), right, y + 1, "right", look.ink);
    }
    const weight = frame.arrays.softmax.data[key];
    ctx.fillStyle = colour;
    if (weight > 0) ctx.fillRect(layout.xBar, y - 4, Math.max(0.5, weight * layout.bar), 8);
    write(ctx, fixed(weight, 4), layout.xWeight, y + 1, "right", look.ink);
  }
  if (last === n) paintSum(ctx, scene, placing);
}

/** @param {Context} ctx @param {Scene} scene @param {Placing} placing */
function paintSum(ctx, { frame, look }, { layout, order, byContribution, scroll }) {
  const [n] = frame.arrays.k.shape;
  const y = HEADER + n * layout.row - scroll;
  ctx.fillStyle = look.rule;
  ctx.fillRect(layout.xBar, y + 3, layout.xWeight - layout.xBar, 1);
  setFont(ctx, look, 11);
  const isShort = layout.bar < 110;
  const total = isShort
    ? "sum"
    : typeof frame.sink === "number"
      ? "sum; the rest: the sink"
      : "sum of the shares";
  write(ctx, total, layout.xBar, y + 17, "left", look.ink3);
  const shown = order.slice(0, 3).join(", ");
  write(ctx, `channel ${shown} …`, layout.xKey ?? layout.xProduct, y + 17, "left", look.ink3);
  const isSorted = byContribution && layout.xKey !== null;
  if (isSorted) write(ctx, "largest first", layout.xProduct, y + 17, "left", look.ink3);
  setFont(ctx, look, 12, 600);
  write(ctx, fixed(frame.total ?? 0, 4), layout.xWeight, y + 17, "right", look.ink);
}

/**
 * The channels of one vector, from left to right.
 * @param {Context} ctx
 * @param {Scene} scene
 * @param {Placing} placing
 * @param {ArrayLike<number>} values (row, channel)
 * @param {number} row
 * @param {number} x
 * @param {number} y middle of the row
 * @param {number} limit the value of the last colour
 */
function paintVector(ctx, { frame, look }, { layout, order }, values, row, x, y, limit) {
  const d = frame.arrays.k.shape[1];
  const table = scaleTable("diverging", look.dark).css;
  const height = Math.min(16, layout.row - 3);
  const gap = layout.channel >= 4 ? 0.5 : 0;
  for (const [place, c] of order.entries()) {
    const at = place * layout.channel;
    if (at >= layout.strip) break;
    const t = Math.max(-1, Math.min(1, values[row * d + c] / limit));
    ctx.fillStyle = table[Math.round((t + 1) * 127.5)];
    ctx.fillRect(x + at, y - height / 2, layout.channel - gap, height);
  }
}

/**
 * A frame around one channel of key, product and query.
 * @param {Context} ctx
 * @param {import("../../view-types.js").Look} look
 * @param {Placing} placing
 * @param {number} key
 * @param {number} place of the channel in the drawn order
 */
export function paintChannel(ctx, look, { layout, scroll }, key, place) {
  const y = HEADER + key * layout.row + layout.row / 2 - scroll;
  ctx.strokeStyle = look.ink;
  ctx.lineWidth = 1;
  const box = (/** @type {number} */ x, /** @type {number} */ middle) =>
    ctx.strokeRect(
      onHalf(x + place * layout.channel - 1.2),
      onHalf(middle - 10),
      layout.channel + 0.6,
      19,
    );
  if (layout.xKey !== null) box(layout.xKey, y);
  box(layout.xProduct, y);
  box(layout.xKey ?? layout.xProduct, 48);
}

/** @type {Record<string, string>} */
const SHORT = { dot: "sum", scaled: "scaled", softcapped: "capped", bias: "added", mask: "added" };

/** The stages that are columns of numbers: all but the last. @param {Frame} frame */
export const stagesOf = ({ stages = [] }) => stages.filter(({ name }) => name !== "softmax");

/** @param {Frame} frame */
function scaleName({ scaling = 1, channels = 1 }) {
  const isUsual = Math.abs(scaling * Math.sqrt(channels) - 1) < 1e-6;
  return isUsual ? `÷ √${channels}` : `× ${Number(scaling.toPrecision(3))}`;
}
