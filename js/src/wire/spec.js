// Which frame do these traits ask for? Pure.

/** @typedef {import("../types.js").Traits} Traits */
/** @typedef {import("../types.js").Spec} Spec */
/** @typedef {import("../types.js").Group} Group */

/** Methods that keep heads apart; all others join them to one matrix. */
const PER_HEAD = new Set(["raw", "gradient_attention", "value_weighted"]);

/** Views that show one head, chosen by the trait `head`. */
const ONE_HEAD = new Set(["matrix", "neuron"]);

/** @param {string} method */
export const keepsHeads = (method) => PER_HEAD.has(method);

/**
 * @param {Traits} traits
 * @returns {Spec}
 */
export function specOf(traits) {
  const { capture_id, view, method, attention, layer, head, residual, reduce } = traits;
  const { normalise, baseline } = traits;
  const perToken = view === "neuron"; // vectors are neither merged nor hidden
  const hide_special = traits.hide_special && !perToken;
  const words = traits.words && !perToken;
  const segments = perToken ? "all" : traits.segments;
  const hide_sinks = traits.hide_sinks && !perToken;
  return {
    capture_id,
    view,
    method,
    attention,
    layer,
    head,
    residual,
    reduce,
    normalise,
    baseline,
    hide_special,
    words,
    segments,
    hide_sinks,
  };
}

/**
 * What the request for a frame carries: the spec, and in the neuron view the query to take apart.
 * @param {Traits} traits
 * @returns {Spec & { query?: number }}
 */
export function requestOf(traits) {
  const spec = specOf(traits);
  const isNeuron = traits.view === "neuron" && traits.query.length > 0;
  return isNeuron ? { ...spec, query: traits.query[0] } : spec;
}

/**
 * A name for the frame: two specs that lead to the same numbers have the same name.
 * @param {Spec & { query?: number }} spec
 */
export function frameKey(spec) {
  const relevant = { ...spec };
  if (keepsHeads(spec.method)) {
    Object.assign(relevant, { residual: 0, reduce: "", normalise: false, baseline: false });
    if (!ONE_HEAD.has(spec.view)) relevant.head = 0;
  } else {
    relevant.head = 0;
  }
  if (spec.method !== "flow") relevant.normalise = false;
  if (spec.view === "model") relevant.layer = 0;
  return JSON.stringify(relevant);
}

/**
 * The group that is shown; an empty one while nothing is known.
 * @param {Traits} traits
 * @returns {Group}
 */
export function groupOf(traits) {
  const groups = traits.info?.groups ?? [];
  return (
    groups.find((group) => group.name === traits.attention) ??
    groups[0] ?? {
      name: traits.attention,
      layers: 0,
      heads: 0,
      n_queries: 0,
      n_keys: 0,
      methods: [],
    }
  );
}
