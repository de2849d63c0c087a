// Which generated token is explained: a slider over the generation steps, and the likely tokens at
// the chosen one.
import { html, nothing } from "lit-html";
import { likelyTokens } from "./likely-tokens.js";
import { groupOf } from "../wire/spec.js";

/** @typedef {import("../types.js").Traits} Traits */

/** @param {Traits} traits @param {{ set: (values: Partial<Traits>) => void }} actions */
export function generationSteps(traits, actions) {
  const all = (groupOf(traits).writes && traits.info.steps) || [];
  if (!all.length) return nothing;
  const { step } = traits;
  const onInput = (/** @type {Event} */ event) => {
    const chosen = Number(/** @type {HTMLInputElement} */ (event.target).value);
    actions.set({ step: chosen, query: chosen < 0 ? [] : [all[chosen].position], key: [] });
  };
  return html`<div class="filters" data-steps>
    <label
      ><span class="lab">written</span>
      <input
        type="range"
        aria-label="step"
        min="-1"
        max=${all.length - 1}
        .value=${String(step)}
        @input=${onInput}
      /><output>${`${step + 1} of ${all.length}`}</output></label
    >
    ${step < 0 ? nothing : likelyTokens(all[step].top, all[step].token)}
  </div>`;
}
