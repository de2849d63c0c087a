// Keys on the stage, as changes of traits. Pure.
import { isolated } from "./head-toggles.js";
import { groupOf, headsOf, keepsHeads } from "../wire/spec.js";
import { moved } from "../views/shared/selection.js";

/** @typedef {import("../types.js").Traits} Traits */
/** @typedef {import("../types.js").Frame} Frame */

/**
 * What a key on the stage does: arrows move the pinned token, Shift + arrows layer and head (in the
 * model view the arrows alone), Escape releases.
 * @param {{ key: string, shiftKey: boolean }} event
 * @param {Traits} traits
 * @param {Frame | null} frame
 * @returns {Partial<Traits> | null} null where the key has no meaning here
 */
export function pressed({ key, shiftKey }, traits, frame) {
  if (key === "Escape")
    return traits.query.length || traits.key.length ? { query: [], key: [] } : null;
  const [axis, step] =
    {
      ArrowUp: ["row", -1],
      ArrowDown: ["row", 1],
      ArrowLeft: ["column", -1],
      ArrowRight: ["column", 1],
    }[key] ?? [];
  if (!axis || typeof step !== "number") return null;
  if (shiftKey || traits.view === "model")
    return axis === "row" ? layerBy(traits, step) : headBy(traits, step);
  if (!frame) return {};
  const { queries, keys } = frame;
  if (traits.view === "matrix") {
    return axis === "row"
      ? { query: moved("query", step, queries, traits.query) }
      : { key: moved("key", step, keys, traits.key) };
  }
  const side = !traits.query.length && traits.key.length ? "key" : "query";
  if (axis === "row") {
    const tokens = side === "query" ? queries : keys;
    return side === "query"
      ? { query: moved("query", step, tokens, traits.query), key: [] }
      : { key: moved("key", step, tokens, traits.key), query: [] };
  }
  // Left and right change sides: the same token as query, or as key.
  if (step > 0 && side === "query" && traits.query.length) {
    return {
      query: [],
      key: traits.query.filter((i) => keys.positions.some((p) => p.includes(i))),
    };
  }
  if (step < 0 && side === "key") {
    return {
      key: [],
      query: traits.key.filter((i) => queries.positions.some((p) => p.includes(i))),
    };
  }
  return {};
}

/**
 * Down is the next layer, as in the model view's grid.
 * @param {Traits} traits
 * @param {number} step
 * @returns {Partial<Traits>}
 */
function layerBy(traits, step) {
  const layer = Math.max(0, Math.min(groupOf(traits).layers - 1, traits.layer + step));
  return layer === traits.layer ? {} : { layer };
}

/** @param {Traits} traits @param {number} step @returns {Partial<Traits>} */
function headBy(traits, step) {
  const n = headsOf(traits);
  if (!n || !keepsHeads(traits)) return {};
  if (traits.view === "matrix" || traits.view === "neuron" || traits.view === "model")
    return { head: (traits.head + step + n) % n };
  const alone = traits.heads.length === 1;
  const head = alone ? (traits.heads[0] + step + n) % n : traits.head;
  return { heads: isolated([], head, n), head };
}
