// Positions of tokens without text: patches of a picture, frames of a sound. Pure.

/**
 * `box` and `at` count the patches or frames, from 0.
 * @typedef {Object} Area
 * @property {number} width CSS pixels
 * @property {number} height
 * @property {number} count
 * @property {(i: number) => [x: number, y: number, width: number, height: number]} box
 * @property {(x: number, y: number) => number | null} at
 * @property {{ x: number, y: number, text: string }[]} ticks
 */

const LARGEST_PICTURE = 420;
const LINE_S = [60, 30, 20, 10, 5, 2, 1];
const NARROWEST_FRAME = 2; // CSS pixels
const WIDEST_FRAME = 12;
const STRIP = 32;
const PITCH = 60; // from strip to strip, with the seconds between them
const TICK_ROOM = 44;

/**
 * Start and length of the i-th of many: whole pixels without gaps.
 * @param {number} i
 * @param {number} size
 */
const between = (i, size) => [
  Math.round(i * size),
  Math.round((i + 1) * size) - Math.round(i * size),
];

/**
 * @param {[number, number]} grid rows and columns of patches
 * @param {number} imageWidth
 * @param {number} imageHeight
 * @param {number} room CSS pixels
 * @returns {Area}
 */
export function patchArea([rows, columns], imageWidth, imageHeight, room) {
  const scale = Math.min(room, LARGEST_PICTURE) / Math.max(imageWidth, imageHeight);
  const [width, height] = [Math.round(imageWidth * scale), Math.round(imageHeight * scale)];
  const [w, h] = [width / columns, height / rows];
  return {
    width,
    height,
    count: rows * columns,
    box(i) {
      const [x, wide] = between(i % columns, w);
      const [y, high] = between(Math.floor(i / columns), h);
      return [x, y, wide, high];
    },
    at(x, y) {
      const [row, column] = [Math.floor(y / h), Math.floor(x / w)];
      return row >= 0 && column >= 0 && row < rows && column < columns
        ? row * columns + column
        : null;
    },
    ticks: [],
  };
}

/**
 * Frames along time, in lines of a round number of seconds in which a frame can be pointed at.
 * @param {number} count
 * @param {number} seconds that one frame covers
 * @param {number} room CSS pixels
 * @returns {Area}
 */
export function soundArea(count, seconds, room) {
  const line = LINE_S.find((s) => (s / seconds) * NARROWEST_FRAME <= room) ?? 1;
  const perLine = Math.max(1, Math.min(count, Math.round(line / seconds)));
  const w = Math.min(WIDEST_FRAME, (room - 1) / perLine);
  const lines = Math.ceil(count / perLine);
  const every = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20].find((s) => (s / seconds) * w >= TICK_ROOM) ?? 30;
  const ticks = [];
  for (let k = 0; k * every < count * seconds; k++) {
    const i = Math.round((k * every) / seconds);
    const [x, y] = [(i % perLine) * w, Math.floor(i / perLine) * PITCH + STRIP];
    ticks.push({ x, y, text: `${Number((k * every).toFixed(1))}${k ? "" : " s"}` });
  }
  return {
    width: Math.ceil(perLine * w) + 1,
    height: lines * PITCH - 6,
    count,
    box(i) {
      const [x, wide] = between(i % perLine, w);
      return [x, Math.floor(i / perLine) * PITCH, wide, STRIP];
    },
    at(x, y) {
      const i = Math.floor(y / PITCH) * perLine + Math.floor(x / w);
      return x >= 0 && x < perLine * w && y >= 0 && y % PITCH < STRIP && i < count ? i : null;
    },
    ticks,
  };
}
