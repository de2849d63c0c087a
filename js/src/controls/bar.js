// The parts of the bar: view tabs, methods, layer and head, saving, theme.
import { html, nothing } from "lit-html";
import { valueOf } from "./events.js";
import { icons } from "./icons.js";
import { groupOf, headsOf, keepsHeads, viewRule } from "../wire/spec.js";

/** @typedef {import("../types.js").Traits} Traits */
/** @typedef {import("./controls.js").ControlState} ControlState */
/** @typedef {import("./controls.js").ControlActions} ControlActions */

const BUTTONS = 3; // methods with a button of their own; the others share a select
/** @type {Record<string, string>} */
const THEME_NAMES = { auto: "follow the notebook", light: "light", dark: "dark" };

/** @param {ControlState} state @param {ControlActions} actions */
export function tabs({ traits, runFailed }, actions) {
  const choose = (/** @type {string} */ view) => () => {
    const known = viewRule(traits, view).methods;
    actions.set(known.includes(traits.method) ? { view } : { view, method: known[0] });
  };
  return html`<div class="tabs" role="tablist" aria-label="view" @keydown=${moveInGroup}>
    ${traits.views.map(
      (view) =>
        html`<button
          role="tab"
          data-t=${title(view)}
          data-view=${view}
          aria-selected=${String(view === traits.view)}
          tabindex=${view === traits.view ? 0 : -1}
          ?disabled=${runFailed}
          @click=${choose(view)}
        >
          ${title(view)}
        </button>`,
    )}
  </div>`;
}

/**
 * The first three as buttons, the others in one select: more do not fit in a line.
 * @param {ControlState} state
 * @param {ControlActions} actions
 */
export function methods({ traits, runFailed }, actions) {
  const group = groupOf(traits);
  const shown = viewRule(traits).methods;
  const why = (/** @type {string} */ method) =>
    !shown.includes(method)
      ? `the ${traits.view} view shows ${shown.join(", ")} only`
      : group.methods.includes(method)
        ? null
        : (group.reasons?.[method] ?? "not for this attention");
  const name = (/** @type {string} */ method) => method.replaceAll("_", " ");
  const others = traits.methods.slice(BUTTONS).filter((method) => shown.includes(method));
  const isOther = others.includes(traits.method);
  const reachedByTab = isOther ? traits.methods[0] : traits.method;
  return html`<div class="seg" role="radiogroup" aria-label="method" @keydown=${moveInGroup}>
    ${traits.methods
      .slice(0, BUTTONS)
      .map(
        (method) =>
          html`<button
            role="radio"
            data-t=${name(method)}
            data-method=${method}
            aria-checked=${String(method === traits.method)}
            tabindex=${method === reachedByTab ? 0 : -1}
            title=${why(method) ?? nothing}
            ?disabled=${runFailed || why(method) !== null}
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
            ?disabled=${runFailed}
            @change=${(/** @type {Event} */ event) => actions.set({ method: valueOf(event) })}
          >
            <option value="" .selected=${!isOther} disabled hidden>more</option>
            ${others.map(
              (method) =>
                html`<option
                  value=${method}
                  title=${why(method) ?? nothing}
                  .selected=${method === traits.method}
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

/** The head has a stepper too, so the bar is longer. @param {Traits} traits */
export const hasHeadStepper = (traits) => viewRule(traits).one_head && keepsHeads(traits);

/** How many parts there are to choose from; 1 where there is nothing to choose. @param {Traits} traits */
export const partsOf = (traits) => groupOf(traits).parts?.n ?? 1;

/** @param {ControlState} state @param {ControlActions} actions */
export function steppers({ traits, runFailed, width }, actions) {
  const group = groupOf(traits);
  const oneHead = hasHeadStepper(traits);
  const parts = partsOf(traits);
  const n = Number(oneHead) + Number(parts > 1);
  const short = n > 0 && width < 840 + 160 * n;
  const count = (/** @type {number} */ last) => ({ first: 0, note: short ? "" : `of 0–${last}` });
  return [
    parts > 1 && !runFailed
      ? stepper(
          groupOf(traits).parts?.word ?? "part",
          traits.part,
          parts,
          (part) => actions.set({ part }),
          {
            first: 1,
            note: `of ${parts}`,
          },
        )
      : nothing,
    traits.view === "model" || runFailed
      ? nothing
      : stepper(
          "layer",
          traits.layer,
          group.layers,
          (layer) => actions.set({ layer }),
          count(group.layers - 1),
        ),
    oneHead && !runFailed
      ? stepper(
          "head",
          traits.head,
          headsOf(traits),
          (head) => actions.set({ head }),
          count(headsOf(traits) - 1),
        )
      : nothing,
  ];
}

/**
 * @param {string} name
 * @param {number} value
 * @param {number} n
 * @param {(value: number) => void} set
 * @param {{ first: number, note: string }} shown the number of the first, and a note behind
 */
function stepper(name, value, n, set, { first, note }) {
  return html`<div class="step" role="group" aria-label=${name} data-step=${name}>
    <span class="lab">${name}</span>
    <button aria-label="previous ${name}" ?disabled=${value <= 0} @click=${() => set(value - 1)}>
      ‹
    </button>
    <b aria-live="off">${value + first}</b>
    <button aria-label="next ${name}" ?disabled=${value >= n - 1} @click=${() => set(value + 1)}>
      ›
    </button>
    ${note ? html`<span class="lab">${note}</span>` : nothing}
  </div>`;
}

/** @param {Traits} traits @param {ControlActions} actions */
export function themeButton(traits, actions) {
  const { theme: themes } = traits.info.choices;
  const next = themes[(themes.indexOf(traits.theme) + 1) % themes.length];
  const name = `theme: ${THEME_NAMES[traits.theme] ?? traits.theme}`;
  return html`<button
    aria-label=${name}
    title=${name}
    data-theme-button
    @click=${() => actions.set({ theme: next })}
  >
    ${icons.theme}
  </button>`;
}

/** An icon with the browser's own menu over it. @param {Traits} traits @param {ControlActions} actions */
export function saveMenu(traits, actions) {
  const choose = (/** @type {Event} */ event) => {
    const menu = /** @type {HTMLSelectElement} */ (event.target);
    actions.save(menu.value);
    menu.value = "";
  };
  return html`<span title="save the picture"
    >${icons.save}<select aria-label="save the picture as" data-save .value=${""} @change=${choose}>
      <option value="" hidden></option>
      ${traits.info.choices.format.map(
        (format) => html`<option value=${format}>${format.toUpperCase()}</option>`,
      )}
    </select></span
  >`;
}

/**
 * Left and right move within a group of buttons of which one is chosen; Tab leaves the group.
 * @param {KeyboardEvent} event
 */
function moveInGroup(event) {
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
