// What these traits request, by the rules that the kernel sent (attn_widget/pictures/rules.py). Pure.

/** @typedef {import("../types.js").Traits} Traits */
/** @typedef {import("../types.js").Spec} Spec */
/** @typedef {import("../types.js").Group} Group */
/** @typedef {import("../types.js").ViewRule} ViewRule */

/**
 * What the request for a frame carries: only the fields that the frame depends on, so that two requests for equal
 * frames are equal. The neuron view takes one query apart, which its request names besides.
 * @param {Traits} traits
 * @returns {Partial<Spec> & { query?: number }}
 */
export function requestOf(traits) {
  const names = traits.info.rules.depends_on[traits.view]?.[traits.method] ?? [];
  const spec = Object.fromEntries(names.map((name) => [name, traits[name]]));
  const ofQuery = viewRule(traits).needs_query && traits.query.length > 0;
  return ofQuery ? { ...spec, query: traits.query[0] } : spec;
}

/** A name for the frame of a request. @param {Partial<Spec> & { query?: number }} spec */
export const frameKey = (spec) => JSON.stringify(spec);

/** Whether the method has a matrix for each head; others join the heads. @param {Traits} traits */
export const keepsHeads = ({ method, info }) => info.rules.methods[method]?.per_head ?? true;

/** What a view shows and which controls it has. @param {Traits} traits @param {string} [view] @returns {ViewRule} */
export const viewRule = ({ view: shown, info }, view = shown) => info.rules.views[view];

/** How many heads the layer that is shown has. @param {Traits} traits */
export function headsOf(traits) {
  const group = groupOf(traits);
  return group.layer_heads?.[traits.layer] ?? group.heads;
}

/** Whether the kernel makes another capture before it can show the method. @param {Traits} traits */
export const isOnDemand = (traits) => !!groupOf(traits).on_demand?.includes(traits.method);

/**
 * The group that is shown; an empty one while nothing is known.
 * @param {Traits} traits
 * @returns {Group}
 */
export function groupOf({ attention, info }) {
  const none = { name: attention, layers: 0, heads: 0, n_queries: 0, n_keys: 0, methods: [] };
  return info.groups.find(({ name }) => name === attention) ?? info.groups[0] ?? none;
}
