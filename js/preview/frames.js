import captions from "../test/frames/captions.json" with { type: "json" };
// Frames of every view at any length, made by formula and in the wire format: the gallery needs no kernel and no model.

const { rules } = captions;
const choices = { theme: ["auto", "light", "dark"], mode: [], format: ["png", "html"] };

const WORDS =
  "When Mara came back to the house she found the keys where her brother had left them , on the table in the hall .";
const LAYERS = 6;
const HEADS = 12;
const TOP_K = 8;

/** A number between 0 and 1 that only depends on its arguments. */
function noise(...at) {
  let h = 2166136261;
  for (const v of at) {
    h = Math.imul(h ^ v, 2654435761);
    h = Math.imul(h ^ (h >>> 15), 2246822519);
    h ^= h >>> 13;
  }
  return ((h >>> 8) & 0xffff) / 0xffff;
}

/** What every key gets in a head before anything else, as e to the score. */
const bases = new Map();
function base(layer, head, n) {
  const key = `${layer} ${head} ${n}`;
  if (!bases.has(key)) {
    bases.set(
      key,
      Float64Array.from({ length: n }, (_, k) => Math.exp(noise(layer, head, k) * 1.5)),
    );
  }
  return bases.get(key);
}

/** One row of attention, exact: to the token before, to the first, to the same word, or to what is near. */
export function row(layer, head, q, n, words) {
  const kind = (head + layer) % 4;
  const strong = 3 + Math.log(n); // stands out at any length
  const e = base(layer, head, n).slice();
  if (kind === 0) e[Math.max(0, q - 1)] = Math.exp(strong);
  if (kind === 1) e[0] = Math.exp(strong);
  if (kind === 2) {
    e[0] = Math.exp(strong - 2);
    for (let k = 1; k < n; k++) if (words[k] === words[q] && k !== q) e[k] = Math.exp(strong - 1);
  }
  if (kind === 3) {
    for (let k = Math.max(0, q - 40); k < Math.min(n, q + 40); k++)
      e[k] *= Math.exp(strong * Math.exp(-Math.abs(q - 1 - k) / 6));
  }
  const total = e.reduce((a, b) => a + b);
  return e.map((x) => x / total);
}

const sqrt8 = (values) => Uint8Array.from(values, (v) => Math.round(255 * Math.sqrt(v)));

function frame(header, arrays) {
  const entries = Object.entries(arrays).map(([name, [data, shape]]) => {
    const isCoded = data instanceof Uint8Array;
    const dtype = { Uint8Array: "uint8", Uint16Array: "uint16", Float32Array: "float32" }[
      data.constructor.name
    ];
    return {
      name,
      dtype,
      shape,
      encoding: isCoded ? "sqrt8" : "plain",
      ...(isCoded ? { scale: 1 } : {}),
    };
  });
  const buffers = Object.values(arrays).map(([data]) => new DataView(data.buffer));
  return { header: { ...header, arrays: entries }, buffers };
}

/** Where the largest values are, largest first. */
function strongest(values, count) {
  const best = [];
  for (let k = 0; k < values.length; k++) {
    if (best.length === count && values[k] <= values[best[count - 1]]) continue;
    best.splice(count - 1, 1);
    best.push(k);
    best.sort((a, b) => values[b] - values[a]);
  }
  return best;
}

/** State and frames of one length, for the gallery's models. */
export function made(n, { layer = 3, head = 0, query = Math.min(9, n - 1) } = {}) {
  const list = WORDS.split(" ");
  const words = Array.from({ length: n }, (_, i) =>
    i === 0 ? "[CLS]" : list[(i - 1) % list.length],
  );
  const axis = {
    text: words,
    special: words.map((_, i) => Number(i === 0)),
    positions: words.map((_, i) => [i]),
    segment: words.map(() => 0),
  };
  const spec = {
    capture_id: 1,
    view: "head",
    method: "raw",
    attention: "self",
    layer,
    head,
    residual: 0.5,
    reduce: "mean",
    normalise: false,
    baseline: false,
    hide_special: false,
    words: false,
  };
  const lanes = Array.from({ length: HEADS }, (_, h) => ({ head: h, name: `head ${h}` }));
  const common = (view) => ({
    view,
    capture_id: 1,
    spec: { ...spec, view },
    queries: axis,
    keys: axis,
    lanes,
    unit: "share",
    causal: false,
    layer_label: `layer ${layer}`,
    saturation: null,
    divided_by: null,
    top_k: TOP_K,
  });

  const ones = new Float32Array(HEADS * n).fill(1);
  const shared = { row_sum: [ones, [HEADS, n]] };
  if (n <= 512) {
    const weights = new Uint8Array(HEADS * n * n);
    for (let h = 0; h < HEADS; h++) {
      for (let q = 0; q < n; q++) weights.set(sqrt8(row(layer, h, q, n, words)), (h * n + q) * n);
    }
    shared.weights = [weights, [HEADS, n, n]];
  } else {
    const keys = new Uint16Array(HEADS * n * TOP_K);
    const kept = new Uint8Array(HEADS * n * TOP_K);
    for (let h = 0; h < HEADS; h++) {
      for (let q = 0; q < n; q++) {
        const values = row(layer, h, q, n, words);
        const best = strongest(values, TOP_K);
        keys.set(best, (h * n + q) * TOP_K);
        kept.set(sqrt8(best.map((k) => values[k])), (h * n + q) * TOP_K);
      }
    }
    shared.edges_key = [keys, [HEADS, n, TOP_K]];
    shared.edges_weight = [kept, [HEADS, n, TOP_K]];
  }
  const matrix = new Uint8Array(n * n);
  for (let q = 0; q < n; q++) matrix.set(sqrt8(row(layer, head, q, n, words)), q * n);

  const cells = Math.min(48, n);
  const pool = Math.ceil(n / cells);
  const size = Math.ceil(n / pool);
  const tiles = [];
  const small = new Uint8Array(LAYERS * HEADS * size * size);
  for (let l = 0; l < LAYERS; l++) {
    for (let h = 0; h < HEADS; h++) {
      const start = tiles.length * size * size;
      tiles.push({ layer: l, head: h, saturation: null });
      for (let r = 0; r < size; r++) {
        const coded = sqrt8(row(l, h, r * pool, n, words));
        for (let k = 0; k < n; k++) {
          const i = start + r * size + Math.floor(k / pool);
          small[i] = Math.max(small[i], coded[k]);
        }
      }
    }
  }

  const d = 32;
  const vector = (seed, i) =>
    Float32Array.from({ length: d }, (_, c) => 4 * (noise(seed, i, c) - 0.5));
  const q = vector(1, query);
  const k = new Float32Array(n * d);
  for (let i = 0; i < n; i++) k.set(vector(2, i), i * d);
  const dot = Float32Array.from({ length: n }, (_, i) =>
    q.reduce((sum, x, c) => sum + x * k[i * d + c], 0),
  );
  const scaled = dot.map((x) => x / Math.sqrt(d));
  const e = scaled.map((x) => Math.exp(x));
  const softmax = e.map((x) => x / e.reduce((a, b) => a + b));
  const stage = (name, label) => ({ name, label, about: "" });

  const source = words.slice(1).join(" ");
  let at = 0;
  const spans = words.map((word, i) =>
    i === 0 ? null : [0, (at += i === 1 ? 0 : 1), (at += word.length)],
  );
  const frames = [
    frame(common("head"), shared),
    frame({ ...common("text"), source: [source], spans, grid: null, seconds: null }, shared),
    frame({ ...common("matrix"), lanes: [lanes[head]], pool: 1 }, { weights: [matrix, [n, n]] }),
    frame(
      { ...common("model"), tiles, pool: [pool, pool], n_layers: LAYERS, n_heads: HEADS },
      { tiles: [small, [tiles.length, size, size]] },
    ),
    frame(
      {
        ...common("neuron"),
        query,
        channels: d,
        scaling: 1 / Math.sqrt(d),
        softcap: null,
        sink: null,
        difference: 0,
        passed: 1,
        total: 1,
        stages: [stage("dot", "q · k"), stage("scaled", "scaled"), stage("softmax", "softmax")],
      },
      {
        q: [q, [d]],
        k: [k, [n, d]],
        measured: [softmax, [n]],
        dot: [dot, [n]],
        scaled: [scaled, [n]],
        softmax: [softmax, [n]],
      },
    ),
  ];
  const group = {
    name: "self",
    layers: LAYERS,
    heads: HEADS,
    n_queries: n,
    n_keys: n,
    methods: ["raw"],
  };
  const state = {
    ...spec,
    heads: lanes.map(({ head: h }) => h),
    query: [query],
    key: [],
    text: source,
    pair: "",
    theme: "light",
    threshold: 0.02,
    find: "",
    views: ["head", "model", "neuron", "matrix", "text"],
    methods: ["raw"],
    metric: {},
    step: -1,
    error: {},
    running: "",
  };
  const traits = [...Object.keys(state), "info"];
  const info = {
    model: "made by formula",
    can_run: false,
    rules,
    choices,
    traits,
    groups: [group],
  };
  return { state: { ...state, info }, frames };
}
