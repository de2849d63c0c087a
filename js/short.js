// What the bundles say hundreds of times, under names that can be shortened. Only the build uses this file.
export const {
  abs: mathAbs,
  ceil: mathCeil,
  floor: mathFloor,
  max: mathMax,
  min: mathMin,
  round: mathRound,
} = Math;

export const createElement = (name) => globalThis.document.createElement(name);
