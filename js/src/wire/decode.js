// The wire: decodes frames and rows. Twin of attn_widget/pictures/protocol.py. Little endian throughout.

/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("../types.js").FrameArray} FrameArray */
/** @typedef {import("../types.js").Row} Row */

const TYPES = /** @type {const} */ ({
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  int16: Int16Array,
  float32: Float32Array,
});

/**
 * The values of one array. A host may hand out a slice of a larger buffer at any offset: it is copied only
 * where the element size does not divide the offset.
 * @param {{ name: string, dtype: string, shape: number[], encoding?: string, scale?: number }} entry
 * @param {DataView | ArrayBuffer | Uint8Array} buffer
 * @returns {FrameArray}
 */
export function decodeArray(entry, buffer) {
  const Type = TYPES[/** @type {keyof typeof TYPES} */ (entry.dtype)];
  if (!Type)
    throw new Error(`dtype must be one of ${Object.keys(TYPES).join(", ")}, got ${entry.dtype}.`);
  const view = buffer instanceof ArrayBuffer ? new Uint8Array(buffer) : buffer;
  const size = Type.BYTES_PER_ELEMENT;
  const length = entry.shape.reduce((product, n) => product * n, 1);
  if (view.byteLength !== length * size) {
    throw new Error(`${entry.name} must hold ${length * size} bytes, got ${view.byteLength}.`);
  }
  const aligned = view.byteOffset % size === 0;
  const bytes = /** @type {ArrayBuffer} */ (view.buffer);
  const data = aligned
    ? new Type(bytes, view.byteOffset, length)
    : new Type(bytes.slice(view.byteOffset, view.byteOffset + view.byteLength));
  const scale = entry.scale ?? 1;
  const table = entry.encoding === "sqrt8" ? sqrtTable(scale) : null;
  const values = entry.encoding === "int8" ? Float32Array.from(data, (n) => n * scale) : data;
  return { name: entry.name, shape: entry.shape, data: values, table, scale };
}

/**
 * What each byte stands for: `scale · (byte / 255)²`.
 * @param {number} scale
 */
export function sqrtTable(scale) {
  return Float32Array.from({ length: 256 }, (_, byte) => scale * (byte / 255) ** 2);
}

/**
 * @param {FrameArray} array
 * @param {number} i flat index
 */
export function valueAt(array, i) {
  return array.table ? array.table[array.data[i]] : array.data[i];
}

/**
 * @param {any} header
 * @param {(DataView | ArrayBuffer | Uint8Array)[]} buffers one per entry of `header.arrays`
 * @returns {Frame}
 */
export function decodeFrame(header, buffers) {
  return { ...header, arrays: decodeArrays(header, buffers) };
}

/**
 * @param {any} header
 * @param {(DataView | ArrayBuffer | Uint8Array)[]} buffers
 * @returns {Row}
 */
export function decodeRow(header, buffers) {
  const arrays = decodeArrays(header, buffers);
  const values = arrays.values;
  return {
    side: header.side,
    index: header.index,
    n: values.shape[1],
    values: /** @type {Float32Array} */ (values.data),
    upper: /** @type {Float32Array} */ (arrays.upper?.data) ?? null,
    lower: /** @type {Float32Array} */ (arrays.lower?.data) ?? null,
    saturated: /** @type {Uint8Array} */ (arrays.saturated?.data) ?? null,
    sum: header.sum ?? [],
  };
}

/**
 * @param {any} header
 * @param {(DataView | ArrayBuffer | Uint8Array)[]} buffers
 */
function decodeArrays(header, buffers) {
  const entries = header.arrays ?? [];
  if (entries.length !== buffers.length) {
    throw new Error(
      `arrays must have one buffer each, got ${entries.length} and ${buffers.length}.`,
    );
  }
  /** @type {Record<string, FrameArray>} */
  const arrays = {};
  for (const [i, entry] of entries.entries()) arrays[entry.name] = decodeArray(entry, buffers[i]);
  return arrays;
}
