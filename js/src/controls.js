// The two quiet lines above the picture: view, method, layer; then filters. Only what exists and what the view can use.
import { html, nothing } from "./html.js";
import { icons } from "./icons.js";
import { squares } from "./squares.js";
import { groupOf, keepsHeads } from "./spec.js";

/** @typedef {import("./types.js").Traits} Traits */

/**
 * @typedef {Object} ControlState
 * @property {Traits} traits
 * @property {number} width
 * @property {boolean} narrow
 * @property {boolean} folded the filters are hidden (narrow only)
 * @property {boolean} dead a failed run: nothing can be chosen
 * @property {boolean} noMatch `find` finds nothing
 * @property {number | null} progress 0 to 1 of what is being computed, null for nothing to show
 * @property {import("./types.js").Look} look
 * @property {import("./types.js").Option[]} options choices of the view alone
 */

/**
 * @typedef {Object} ControlActions
 * @property {(values: Partial<Traits>) => void} set
 * @property {(head: number | null) => void} light the head whose square is hovered
 * @property {() => void} fold
 * @property {(name: string, value: string) => void} choose
 */

const IN_THE_OPEN = 3; // methods
const THEMES = ["auto", "light", "dark"];
const THEME_NAMES = { auto: "follow the notebook", light: "light", dark: "dark" };

/** What the filters of each view are. */
const USES = {
  head: { heads: true, tokens: true, threshold: true },
  matrix: { heads: false, tokens: true, threshold: false },
  model: { heads: false, tokens: true, threshold: false },
  text: { heads: true, tokens: true, threshold: false },
  neuron: { heads: false, tokens: false, threshold: false },
};

/** @param {string} view */
export const usesOf = (view) => USES[/** @type {keyof typeof USES} */ (view)] ?? USES.matrix;

/** @param {ControlState} state @param {ControlActions} actions */
export function controls(state, actions) {
  const { traits, narrow, folded, progress } = state;
  const uses = usesOf(traits.view);
  const hasSquares = uses.heads && keepsHeads(traits.method) && groupOf(traits).heads > 1;
  const hasFilters = hasSquares || uses.tokens || state.options.length > 0;
  return html`
    <div class="bar">
      ${tabs(state, actions)}
      <span class="gap"></span>
      ${narrow ? nothing : [methods(state, actions), steppers(state, actions)]}
      <div class="icons">
        ${
          narrow && uses.tokens
            ? html`<button
                aria-label="filters"
                title="filters"
                aria-expanded=${String(!folded)}
                ?disabled=${state.dead}
                @click=${actions.fold}
              >
                ${icons.filter}
              </button>`
            : nothing
        }
        ${themeButton(traits, actions)}
      </div>
      ${progress === null ? nothing : html`<i class="progress" style="width:${(100 * progress).toFixed(1)}%"></i>`}
    </div>
    ${
      narrow
        ? html`<div class="filters">
            ${methods(state, actions)}<span class="gap"></span>${steppers(state, actions)}
          </div>`
        : nothing
    }
    ${
      hasFilters && !state.dead
        ? html`<div class="filters">
            ${hasSquares ? squares(traits, state.look, actions) : nothing}
            ${state.options.map((option) => choice(option, actions))}
            ${uses.tokens && !(narrow && folded) ? filters(state, actions, uses.threshold) : nothing}
          </div>`
        : nothing
    }
  `;
}

/** @param {ControlState} state @param {ControlActions} actions */
function tabs({ traits, dead }, actions) {
  const choose = (/** @type {string} */ view) => () => actions.set({ view });
  return html`<div class="tabs" role="tablist" aria-label="view" @keydown=${roving}>
    ${traits.views.map(
      (view) =>
        html`<button
          role="tab"
          data-t=${title(view)}
          data-view=${view}
          aria-selected=${String(view === traits.view)}
          tabindex=${view === traits.view ? 0 : -1}
          ?disabled=${dead}
          @click=${choose(view)}
        >
          ${title(view)}
        </button>`,
    )}
  </div>`;
}

/** The first three in the open, the others behind one select: more do not fit a line. @param {ControlState} state @param {ControlActions} actions */
function methods({ traits, dead }, actions) {
  const group = groupOf(traits);
  const why = (/** @type {string} */ method) =>
    traits.view === "neuron" && method !== "raw"
      ? "the neuron view takes raw attention apart"
      : group.methods.includes(method)
        ? null
        : (group.reasons?.[method] ?? "not for this attention");
  const name = (/** @type {string} */ method) => method.replaceAll("_", " ");
  const others = traits.view === "neuron" ? [] : traits.methods.slice(IN_THE_OPEN);
  const isOther = others.includes(traits.method);
  return html`<div class="seg" role="radiogroup" aria-label="method" @keydown=${roving}>
    ${traits.methods
      .slice(0, IN_THE_OPEN)
      .map(
        (method) =>
          html`<button
            role="radio"
            data-t=${name(method)}
            data-method=${method}
            aria-checked=${String(method === traits.method)}
            tabindex=${method === traits.method || (isOther && method === traits.methods[0]) ? 0 : -1}
            title=${why(method) ?? nothing}
            ?disabled=${dead || why(method) !== null}
            @click=${() => actions.set({ method })}
          >
            ${name(method)}
          </button>`,
      )}
    ${
      others.length
        ? html`<select
            class="more"
            aria-label="more methods"
            data-chosen=${String(isOther)}
            .value=${isOther ? traits.method : ""}
            ?disabled=${dead}
            @change=${(/** @type {Event} */ event) => actions.set({ method: /** @type {HTMLSelectElement} */ (event.target).value })}
          >
            <option value="" ?selected=${!isOther} disabled hidden>more</option>
            ${others.map(
              (method) =>
                html`<option
                  value=${method}
                  title=${why(method) ?? nothing}
                  ?selected=${method === traits.method}
                  ?disabled=${why(method) !== null}
                >
                  ${name(method)}
                </option>`,
            )}
          </select>`
        : nothing
    }
  </div>`;
}

/** @param {ControlState} state @param {ControlActions} actions */
function steppers({ traits, dead, width }, actions) {
  const group = groupOf(traits);
  const oneHead = (traits.view === "matrix" || traits.view === "neuron") && keepsHeads(traits.method);
  const short = oneHead && width < 1000;
  return [
    traits.view === "model" || dead
      ? nothing
      : stepper("layer", traits.layer, group.layers, short, (layer) => actions.set({ layer })),
    oneHead && !dead
      ? stepper("head", traits.head, group.heads, short, (head) => actions.set({ head }))
      : nothing,
  ];
}

/** @param {string} name @param {number} value @param {number} n @param {boolean} short @param {(value: number) => void} set */
function stepper(name, value, n, short, set) {
  return html`<div class="step" role="group" aria-label=${name} data-step=${name}>
    <span class="lab">${name}</span>
    <button aria-label="previous ${name}" ?disabled=${value <= 0} @click=${() => set(value - 1)}>‹</button>
    <b aria-live="off">${value}</b>
    <button aria-label="next ${name}" ?disabled=${value >= n - 1} @click=${() => set(value + 1)}>›</button>
    ${short ? nothing : html`<span class="lab">of 0–${n - 1}</span>`}
  </div>`;
}

/** @param {Traits} traits @param {ControlActions} actions */
function themeButton(traits, actions) {
  const next = THEMES[(THEMES.indexOf(traits.theme) + 1) % THEMES.length];
  const name = `theme: ${THEME_NAMES[/** @type {keyof typeof THEME_NAMES} */ (traits.theme)] ?? traits.theme}`;
  return html`<button
    aria-label=${name}
    title=${name}
    data-theme-button
    @click=${() => actions.set({ theme: next })}
  >
    ${icons.theme}
  </button>`;
}

/** @param {import("./types.js").Option} option @param {ControlActions} actions */
function choice({ name, choices, value }, actions) {
  return html`<label
    ><span class="lab">${name}</span>
    <select
      aria-label=${name}
      .value=${value}
      @change=${(/** @type {Event} */ event) => actions.choose(name, /** @type {HTMLSelectElement} */ (event.target).value)}
    >
      ${choices.map((each) => html`<option value=${each} ?selected=${each === value}>${each}</option>`)}
    </select></label
  >`;
}

/** @param {ControlState} state @param {ControlActions} actions @param {boolean} hasThreshold */
function filters({ traits, noMatch }, actions, hasThreshold) {
  const groups = traits.info?.groups ?? [];
  const checked = (/** @type {Event} */ event) => /** @type {HTMLInputElement} */ (event.target).checked;
  const text = (/** @type {Event} */ event) => /** @type {HTMLInputElement} */ (event.target).value;
  return html`
    ${
      groups.length > 1
        ? html`<label
            ><span class="lab">attention</span>
            <select
              aria-label="which attention"
              .value=${traits.attention}
              @change=${(/** @type {Event} */ event) => actions.set({ attention: text(event) })}
            >
              ${groups.map(
                ({ name }) =>
                  html`<option value=${name} ?selected=${name === traits.attention}>${name}</option>`,
              )}
            </select></label
          >`
        : html`<span><span class="lab">attention</span><b>${traits.attention}</b></span>`
    }
    <label
      ><input
        type="checkbox"
        data-trait="hide_special"
        .checked=${traits.hide_special}
        @change=${(/** @type {Event} */ event) => actions.set({ hide_special: checked(event) })}
      />hide special</label
    >
    <label
      ><input
        type="checkbox"
        data-trait="words"
        .checked=${traits.words}
        @change=${(/** @type {Event} */ event) => actions.set({ words: checked(event) })}
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
              @input=${(/** @type {Event} */ event) => actions.set({ threshold: Number(text(event)) })}
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
        aria-invalid=${String(noMatch)}
        spellcheck="false"
        autocomplete="off"
        .value=${traits.find}
        @input=${(/** @type {Event} */ event) => actions.set({ find: text(event) })}
    /></label>
  `;
}

/**
 * Left and right move within a group of which one is chosen; Tab passes it by.
 * @param {KeyboardEvent} event
 */
function roving(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  const group = /** @type {HTMLElement} */ (event.currentTarget);
  const buttons = [...group.querySelectorAll("button")].filter((button) => !button.disabled);
  const at = buttons.indexOf(/** @type {HTMLButtonElement} */ (event.target));
  const next = buttons[(at + step + buttons.length) % buttons.length];
  next?.focus();
  next?.click();
  event.preventDefault();
}

/** @param {string} name */
const title = (name) => name.charAt(0).toUpperCase() + name.slice(1);
