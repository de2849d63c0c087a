// The text, editable where a model can run: Enter runs the model, Escape restores the text.
import { html, nothing } from "lit-html";

/** @typedef {import("../types.js").Traits} Traits */

/**
 * @typedef {Object} Draft what is being typed, null where nothing is
 * @property {string | null} text
 * @property {string | null} pair
 */

/**
 * @param {Traits} traits
 * @param {Draft} draft
 * @param {{ edit: (draft: Partial<Draft>) => void, run: () => void }} actions
 */
export function textInput(traits, draft, actions) {
  if (!traits.info?.can_run) return nothing;
  const changed = ["text", "pair"].some((name) => {
    const typed = draft[/** @type {"text" | "pair"} */ (name)];
    return typed !== null && typed !== traits[/** @type {"text" | "pair"} */ (name)];
  });
  const runButton = html`<button class="link" data-run @click=${actions.run}>run</button>`;
  return html`<div class="texts">
    ${box("text", traits, draft, actions)} ${changed ? runButton : html`<span></span>`}
    ${traits.pair ? [box("pair", traits, draft, actions), html`<span></span>`] : nothing}
  </div>`;
}

/**
 * @param {"text" | "pair"} name
 * @param {Traits} traits
 * @param {Draft} draft
 * @param {{ edit: (draft: Partial<Draft>) => void, run: () => void }} actions
 */
function box(name, traits, draft, actions) {
  const onInput = (/** @type {Event} */ event) => {
    const area = /** @type {HTMLTextAreaElement} */ (event.target);
    grow(area);
    actions.edit({ [name]: area.value });
  };
  const onKey = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      actions.run();
    } else if (event.key === "Escape") {
      actions.edit({ [name]: null });
      /** @type {HTMLElement} */ (event.target).blur();
    }
  };
  const fit = (/** @type {Event} */ event) => {
    const area = /** @type {HTMLTextAreaElement} */ (event.target);
    if (event.type === "focus") grow(area);
    else area.style.height = "";
  };
  return html`<span class="lab">${name}</span>
    <textarea
      rows="1"
      data-trait=${name}
      aria-label="${name === "text" ? "" : "second "}text; Enter runs the model"
      spellcheck="false"
      .value=${draft[name] ?? traits[name]}
      @input=${onInput}
      @keydown=${onKey}
      @focus=${fit}
      @blur=${fit}
    ></textarea>`;
}

/** Grow with the text, to at most six lines. @param {HTMLTextAreaElement} area */
function grow(area) {
  area.style.height = "";
  area.style.height = `${Math.min(6 * 20 + 5, area.scrollHeight + 1)}px`;
}
