// Frames of a static page, made from its numbers when they are asked for. Twin of attn_widget/pictures: the same header
// and the same arrays, so that nothing else has to know where a frame comes from.
import { arrayAt, pooled, shownOf } from "./numbers.js";

/** @typedef {import("./numbers.js").Stored} Stored */
/** @typedef {import("../types.js").Spec} Spec */
/** @typedef {{ header: any, buffers: any[] }} Message */

/**
 * What a page answers to a request.
 * @param {Stored} stored
 * @param {Uint8Array} bytes
 * @returns {(spec: Spec & { query?: number }) => Message} throws a sentence where nothing is stored
 */
export function answers(stored, bytes) {
  return (spec) => {
    const { shown } = stored;
    if (shown && isOf(shown.header.spec, spec)) {
      // The picture that was on screen, exactly as it was drawn there.
      const buffers = shown.at.map(([at, size]) => bytes.subarray(at, at + size));
      return { header: shown.header, buffers };
    }
    const { view, method, attention, layer, head } = spec;
    if (!(attention in stored.groups)) throw `Attention ${attention} is not stored in this page.`;
    const { ways, size, read, notes } = stored.groups[attention];
    // What the frame does not depend on, its request leaves out.
    const how = Object.entries(stored.choices)
      .map(([name, usual]) => spec[/** @type {keyof Spec} */ (name)] ?? usual)
      .join();
    const [queries, keys] = ways[how].map((i) => stored.axes[i]);
    const common = {
      view,
      capture_id: spec.capture_id,
      spec,
      queries,
      keys,
      unit: "share",
      causal: false,
      notes: view === "model" ? notes[method].model : notes[method].layers[layer],
    };
    if (view === "neuron") return neuron(stored, bytes, spec, common);

    const places = stored.places.filter(
      (place) =>
        place.attention === attention &&
        place.method === method &&
        (view === "model" || place.layer === layer) &&
        (view !== "matrix" || place.head === null || place.head === head),
    );
    if (!places.length) {
      throw `${method} in layer ${layer}${view === "matrix" ? `, head ${head},` : ""} is not stored in this page.`;
    }
    const first = places[0];
    const made = places.map((place) => shownOf(bytes, place, size, queries, keys));
    const [rows, columns] = [queries.text.length, keys.text.length];
    const causal = places.every((place) => place.causal);
    const { unit, layer_label, saturation, divided_by } = first;

    if (view === "model") {
      const cells = stored.cells[Number(places.length > stored.cells[2])];
      /** @type {[number, number]} */
      const pool = [Math.max(1, Math.ceil(rows / cells)), Math.max(1, Math.ceil(columns / cells))];
      const tiles = places.map(({ layer, head, saturation }, i) => ({
        layer,
        head,
        saturation,
        hidden: keys.hidden?.length ? hiddenShare(made[i]) : 0,
      }));
      const n_layers = new Set(places.map(({ layer }) => layer)).size;
      const header = {
        ...common,
        unit,
        causal,
        layer_label: "all layers",
        pool,
        divided_by,
        n_layers,
        tiles,
      };
      const shape = [tiles.length, Math.ceil(rows / pool[0]), Math.ceil(columns / pool[1])];
      return message(header, [
        rooted("tiles", shape, joined(made.map(({ weights }) => pooled(weights, columns, pool)))),
      ]);
    }
    const [one] = made;
    const lanes = places.map(({ head }) => ({
      head,
      name: head === null ? method : `head ${head}`,
    }));
    const header = {
      ...common,
      unit,
      causal,
      layer_label,
      saturation,
      divided_by,
      lanes,
    };
    const isMatrix = view === "matrix";
    const shape = isMatrix ? [rows, columns] : [lanes.length, rows, columns];
    const arrays = [
      rooted("weights", shape, joined(made.map(({ weights }) => weights))),
      plain("row_sum", [lanes.length, rows], joined(made.map(({ sums }) => sums))),
      plain("hidden_mass", [lanes.length, rows], joined(made.map(({ hidden }) => hidden))),
    ];
    if (first.saturated) arrays.push(plain("saturated", [rows, columns], one.bound));
    if (isMatrix) return message({ ...header, pool: 1 }, arrays);
    if (view !== "text") return message(header, arrays);
    const { image, ...source } = read;
    if (image) arrays.push(plain("image", stored.image.shape, stored.image.data));
    return message({ ...header, ...source, spans: keys.spans }, arrays);
  };
}

/** Whether a frame of `whole` is what is requested: a request names only what its frame depends on. @param {Spec} whole @param {Spec} requested */
const isOf = (whole, requested) =>
  Object.entries(requested).every(
    ([name, value]) => whole[/** @type {keyof Spec} */ (name)] === value,
  );

/**
 * One head's way to its weights, worked out again from its queries and keys.
 * @param {Stored} stored
 * @param {Uint8Array} bytes
 * @param {Spec & { query?: number }} spec
 * @param {any} common
 */
function neuron({ neuron }, bytes, spec, common) {
  const { attention, layer, head } = neuron;
  const layer_label = `layer ${spec.layer}`;
  const isOther = attention !== spec.attention || layer !== spec.layer || head !== spec.head;
  const why = isOther
    ? `This page holds the queries and keys of ${attention} attention, layer ${layer}, head ${head}: choose these.`
    : neuron.why;
  if (why) return message({ ...common, layer_label, why }, []);
  /** @type {Record<string, any>} */
  const part = {};
  for (const entry of neuron.arrays) part[entry.name] = arrayAt(bytes, entry);
  const [n, channels] = part.k.shape;
  const query = spec.query ?? neuron.own.length - 1;
  const header = { ...common, ...neuron.fields, ...neuron.own[query], query };
  const rowOf = (/** @type {string} */ name, width = n) =>
    part[name]?.data.subarray(query * width, (query + 1) * width);
  const q = rowOf("q", channels);
  const dot = Float64Array.from({ length: n }, (_, key) => {
    let sum = 0;
    for (let c = 0; c < channels; c++) sum += q[c] * part.k.data[key * channels + c];
    return sum;
  });
  const { scaling, softcap, sink } = header;
  const scaled = dot.map((x) => x * scaling);
  const softcapped = softcap ? scaled.map((x) => softcap * Math.tanh(x / softcap)) : scaled;
  const bias = rowOf("bias");
  const mask = part.mask && Float32Array.from(rowOf("mask"), (seen) => (seen ? 0 : -Infinity));
  const total = softcapped.map((x, key) => x + (bias ? bias[key] : 0) + (mask ? mask[key] : 0));
  const top = Math.max(...total, sink ?? -Infinity);
  const e = total.map((x) => (top === -Infinity ? 0 : Math.exp(x - top)));
  const sum = e.reduce((a, b) => a + b, 0) + (sink === null ? 0 : Math.exp(sink - top)) || 1;
  const softmax = e.map((x) => x / sum);
  const measured = Float32Array.from(rowOf("measured"), (x) => x / 65535);
  /** @type {Record<string, any>} */
  const stages = { dot, scaled, softcapped, bias, mask, softmax, measured };
  const names = ["measured", ...header.stages.map((/** @type {any} */ stage) => stage.name)];
  return message(header, [
    plain("q", [channels], q),
    plain("k", [n, channels], part.k.data),
    ...names.map((name) => plain(name, [n], Float32Array.from(stages[name]))),
  ]);
}

/** The share of a matrix that goes to hidden keys. @param {{ sums: Float32Array, hidden: Float32Array }} made */
function hiddenShare({ sums, hidden }) {
  const sum = (/** @type {Float32Array} */ values) => values.reduce((a, b) => a + (b || 0), 0);
  return sum(hidden) / (sum(sums) || 1);
}

/** @param {any} header @param {{ entry: any, data: any }[]} arrays @returns {Message} */
const message = (header, arrays) => ({
  header: { ...header, arrays: arrays.map(({ entry }) => entry) },
  buffers: arrays.map(({ data }) => data),
});

/** @param {string} name @param {number[]} shape @param {any} data @param {any} [coded] */
const plain = (name, shape, data, coded) => ({
  entry: { name, dtype: data.BYTES_PER_ELEMENT > 1 ? "float32" : "uint8", shape, ...coded },
  data,
});

/** Values above 0 in one byte each, on a square-root scale; as they are where one is missing. @param {string} name @param {number[]} shape @param {Float64Array} values */
function rooted(name, shape, values) {
  const isMissing = values.some(Number.isNaN);
  let scale = 1;
  for (const value of values) if (value > scale) scale = value;
  if (isMissing)
    return plain(name, shape, Float32Array.from(values), { encoding: "missing", scale });
  const data = Uint8Array.from(values, (value) => Math.round(255 * Math.sqrt(value / scale)));
  return plain(name, shape, data, { encoding: "sqrt8", scale });
}

/** @template {Float32Array | Float64Array} T @param {T[]} parts @returns {T} */
function joined(parts) {
  const whole = new /** @type {any} */ (parts[0].constructor)(parts.length * parts[0].length);
  parts.forEach((part, i) => whole.set(part, i * part.length));
  return whole;
}
