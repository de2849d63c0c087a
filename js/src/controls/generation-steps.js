// Which token that the model wrote is explained: a slider over its steps, and what else was likely at this one.
import { html, nothing } from "lit-html";
import { odds } from "./likely-tokens.js";
import { groupOf } from "../wire/spec.js";

/** @typedef {import("../types.js").Traits} Traits */

/** @param {Traits} traits @param {{ set: (values: Partial<Traits>) => void }} actions */
export function steps(traits, actions) {
  const all = (groupOf(traits).writes && traits.info.steps) || [];
  if (!all.length) return nothing;
  const { step } = traits;
  const onInput = (/** @type {Event} */ event) => {
    const to = Number(/** @type {HTMLInputElement} */ (event.target).value);
    actions.set({ step: to, query: to < 0 ? [] : [all[to].position], key: [] });
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
    ${step < 0 ? nothing : odds(all[step].top, all[step].token)}
  </div>`;
}
