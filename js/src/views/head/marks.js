// The lines of the head view. Weak first, strong last; heads in parallel lanes. Pure but for the context it draws on.

import drawing from "../../../../attn_widget/pictures/drawing.json" with { type: "json" };

/** @typedef {import("../shared/edges.js").Edges} Edges */
/** @typedef {CanvasRenderingContext2D} Context */

const { line } = drawing;
const LEVELS = 24; // opacity and width in steps, so that many lines share one stroke

/**
 * @param {number} weight 0 to 1
 */
export const lineOpacity = (weight) =>
  Math.max(line.least_opacity, Math.min(1, weight ** line.opacity_power));

/**
 * The opacity of a line that is not of the hovered or pinned token.
 * @param {number} weight
 */
export const traceOpacity = (weight) => 0.035 * Math.min(1, 0.3 + 2 * weight);

/** @param {number} weight */
export const lineWidth = (weight) => line.width + line.width_range * Math.min(1, weight);

/**
 * How far a lane lies from the middle of its row.
 * @param {number} order its place among the lanes that are on
 * @param {number} count lanes that are on
 */
export const laneOffset = (order, count) =>
  (order - (count - 1) / 2) * Math.min(line.lane_gap, line.lanes_room / count);

/**
 * @typedef {Object} LineStyle
 * @property {number} xStart
 * @property {number} xEnd
 * @property {(index: number) => number} yQuery middle of a query row
 * @property {(index: number) => number} yKey
 * @property {(lane: number) => number} offset
 * @property {(lane: number) => string} colour
 * @property {(weight: number) => number} opacity
 * @property {number} scale the weight of the strongest line there can be
 */

/**
 * @param {Context} ctx
 * @param {Edges} edges weakest first
 * @param {LineStyle} style
 * @param {ArrayLike<number>} [indices] which of them; all by default
 */
export function paintLines(ctx, edges, style, indices) {
  const count = indices ? indices.length : edges.length;
  const bend = (style.xEnd - style.xStart) * line.bend;
  let at = 0;
  while (at < count) {
    // One run of lines of the same level; within it one stroke per lane.
    const level = levelOf(edges.weight[indices ? indices[at] : at] / style.scale);
    /** @type {Map<number, number[]>} */
    const lanes = new Map();
    for (; at < count; at++) {
      const i = indices ? indices[at] : at;
      if (levelOf(edges.weight[i] / style.scale) !== level) break;
      const lane = lanes.get(edges.lane[i]);
      if (lane) lane.push(i);
      else lanes.set(edges.lane[i], [i]);
    }
    const weight = weightOf(level);
    ctx.lineWidth = lineWidth(weight);
    ctx.globalAlpha = style.opacity(weight);
    for (const [lane, members] of [...lanes].sort((a, b) => a[0] - b[0])) {
      ctx.strokeStyle = style.colour(lane);
      const shift = style.offset(lane);
      ctx.beginPath();
      for (const i of members) {
        const y0 = style.yQuery(edges.query[i]) + shift;
        const y1 = style.yKey(edges.key[i]) + shift;
        ctx.moveTo(style.xStart, y0);
        ctx.bezierCurveTo(style.xStart + bend, y0, style.xEnd - bend, y1, style.xEnd, y1);
      }
      ctx.stroke();
    }
  }
  ctx.globalAlpha = 1;
}

/** @param {number} weight */
const levelOf = (weight) => Math.round(Math.min(1, weight) ** line.opacity_power * LEVELS) || 0;

/** @param {number} level */
const weightOf = (level) => (level / LEVELS) ** (1 / line.opacity_power);
