// The two lines above the picture: view, method and layer, then filters. Only what exists and what
// the view can use.
import drawing from "../../../attn_widget/pictures/drawing.json" with { type: "json" };
import { percent } from "../format.js";
import { html, nothing } from "lit-html";
import { methods, partsOf, saveMenu, steppers, tabs, themeButton, hasHeadStepper } from "./bar.js";
import { isChecked, valueOf } from "./events.js";
import { icons } from "./icons.js";
import { headToggles } from "./head-toggles.js";
import { groupOf, headsOf, keepsHeads, viewRule } from "../wire/spec.js";

/** @typedef {import("../types.js").Traits} Traits */

/**
 * @typedef {Object} ControlState
 * @property {Traits} traits
 * @property {number} width
 * @property {boolean} narrow
 * @property {boolean} folded the filters are hidden (narrow only)
 * @property {boolean} runFailed the model raised an error: nothing can be chosen
 * @property {{ count: number, at: number } | null} matches of `find`, and which one is current;
 *   null while nothing is searched
 * @property {number | null} progress 0 to 1 of what is being computed, null for nothing to show
 * @property {import("../view-types.js").Look} look
 * @property {import("../view-types.js").Option[]} options choices of the view alone
 */

/**
 * @typedef {Object} ControlActions
 * @property {(values: Partial<Traits>) => void} set
 * @property {(head: number | null) => void} highlightHead draw this head's lines in its colour;
 *   null for none
 * @property {() => void} fold
 * @property {(direction: 1 | -1) => void} nextMatch the next match of `find`, or the one before
 * @property {(format: string) => void} save png, svg or html
 * @property {(name: string, value: string) => void} choose
 */

/** @param {ControlState} state @param {ControlActions} actions */
export function controls(state, actions) {
  const { traits, narrow, folded, progress } = state;
  const rule = viewRule(traits);
  const hasToggles = rule.heads && keepsHeads(traits) && headsOf(traits) > 1;
  // else the bar would wrap at an arbitrary place
  const room = 720 + (hasHeadStepper(traits) ? 140 : 0) + (partsOf(traits) > 1 ? 200 : 0);
  const stacked = narrow || state.width < room;
  const usesTokens = !rule.per_token;
  const hasTokens = usesTokens && !(narrow && folded);
  const viewChoice = (/** @type {import("../view-types.js").Option} */ option) =>
    choice(option, (value) => actions.choose(option.name, value));
  const hasFilters = hasToggles || usesTokens || state.options.length > 0;
  return html`
    <div class="bar">
      ${tabs(state, actions)}
      <span class="gap"></span>
      ${stacked ? nothing : [methods(state, actions), steppers(state, actions)]}
      <div class="icons">
        ${
          narrow && usesTokens
            ? html`<button
                aria-label="filters"
                title="filters"
                aria-expanded=${String(!folded)}
                ?disabled=${state.runFailed}
                @click=${actions.fold}
              >
                ${icons.filter}
              </button>`
            : nothing
        }
        ${state.runFailed ? nothing : saveMenu(traits, actions)} ${themeButton(traits, actions)}
      </div>
      ${progress === null ? nothing : progressBar(progress)}
    </div>
    ${
      stacked
        ? html`<div class="filters">
            ${methods(state, actions)}<span class="gap"></span>
            <div class="steps">${steppers(state, actions)}</div>
          </div>`
        : nothing
    }
    ${
      hasFilters && !state.runFailed
        ? html`<div class="filters">
            ${hasToggles ? headToggles(traits, state.look, actions) : nothing}
            ${state.options.map(viewChoice)}
            ${hasTokens ? filters(state, actions, rule.threshold) : nothing}
          </div>`
        : nothing
    }
  `;
}

/** @param {number} share from 0 to 1 */
const progressBar = (share) =>
  html`<i class="progress" .style=${`width:${(100 * share).toFixed(1)}%`}></i>`;

/** @param {import("../view-types.js").Option} option @param {(value: string) => void} set */
export function choice({ name, choices, value }, set) {
  return html`<label
    ><span class="lab">${name}</span>
    <select
      aria-label=${name}
      data-choice=${name}
      @change=${(/** @type {Event} */ event) => set(valueOf(event))}
    >
      ${choices.map(
        (each) =>
          html`<option value=${each} .selected=${each === value}>
            ${each.replace("-", " → ")}
          </option>`,
      )}
    </select></label
  >`;
}

/** @param {ControlState} state @param {ControlActions} actions @param {boolean} hasThreshold */
function filters({ traits, matches }, actions, hasThreshold) {
  const groups = traits.info?.groups ?? [];
  const { segments = [] } = groupOf(traits);
  const sentences = { name: "sentences", choices: segments, value: traits.segments };
  const setSegments = (/** @type {string} */ segments) => actions.set({ segments });
  const onThreshold = (/** @type {Event} */ event) =>
    actions.set({ threshold: Number(valueOf(event)) });
  const onHideSinks = (/** @type {Event} */ event) => actions.set({ hide_sinks: isChecked(event) });
  const onFindKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter") actions.nextMatch(event.shiftKey ? -1 : 1);
  };
  return html`
    ${
      groups.length > 1
        ? html`<label
            ><span class="lab">attention</span>
            <select
              aria-label="which attention"
              @change=${(/** @type {Event} */ event) => actions.set({ attention: valueOf(event) })}
            >
              ${groups.map(
                ({ name }) =>
                  html`<option value=${name} .selected=${name === traits.attention}>
                    ${name}
                  </option>`,
              )}
            </select></label
          >`
        : html`<span><span class="lab">attention</span><b>${traits.attention}</b></span>`
    }
    ${segments.length > 1 ? choice(sentences, setSegments) : nothing}
    <label
      ><input
        type="checkbox"
        data-trait="hide_special"
        .checked=${traits.hide_special}
        @change=${(/** @type {Event} */ event) => actions.set({ hide_special: isChecked(event) })}
      />hide special</label
    >
    ${
      traits.hide_special || traits.hide_sinks
        ? html`<label
            title=${`keys that take over ${percent(drawing.sink_share, 0)} of all attention`}
            ><input
              type="checkbox"
              data-trait="hide_sinks"
              .checked=${traits.hide_sinks}
              @change=${onHideSinks}
            />sinks</label
          >`
        : nothing
    }
    <label
      ><input
        type="checkbox"
        data-trait="words"
        .checked=${traits.words}
        @change=${(/** @type {Event} */ event) => actions.set({ words: isChecked(event) })}
      />words</label
    >
    ${
      hasThreshold
        ? html`<label class="from"
            ><span class="lab">from</span>
            <input
              type="range"
              aria-label="threshold"
              min="0"
              max="0.2"
              step="0.01"
              .value=${String(traits.threshold)}
              @input=${onThreshold}
            />
            <output>${traits.threshold.toFixed(2)}</output></label
          >`
        : nothing
    }
    <span class="gap"></span>
    <label class="find"
      >${icons.find}
      <input
        placeholder="find"
        aria-label="find a token"
        aria-invalid=${String(matches?.count === 0)}
        spellcheck="false"
        autocomplete="off"
        .value=${traits.find}
        @input=${(/** @type {Event} */ event) => actions.set({ find: valueOf(event) })}
        @keydown=${onFindKey}
      />
      ${
        matches?.count
          ? html`<button data-next title="next match (Enter)" @click=${() => actions.nextMatch(1)}>
              ${matches.at < 0 ? matches.count : `${matches.at + 1} of ${matches.count}`} ›
            </button>`
          : nothing
      }</label
    >
  `;
}
