// Head ablation: one button per head of the layer, and the likeliest next tokens with the head and
// without it.
import { html, nothing } from "lit-html";
import { choice } from "./controls.js";
import { likelyTokens } from "./likely-tokens.js";
import { headsOf, requestOf } from "../wire/spec.js";

/** @typedef {import("../types.js").Traits} Traits */
/** @typedef {import("../wire/requests.js").Requester} Requester */

/**
 * @param {Requester} requester
 * @param {() => void} onChange
 */
export function createAblation(requester, onChange) {
  /** @type {{ place: string, head: number, rows?: any, status?: string }} */
  let ablated = { place: "", head: -1 };
  let fill = "zero";

  /**
   * Request the likely tokens without this head; -1 ablates none.
   * @param {Traits} traits
   * @param {string} place
   * @param {number} head
   */
  function ablate(traits, place, head) {
    requester.cancel("ablate");
    const current = (ablated = { place, head });
    const update = (/** @type {object} */ values) => {
      Object.assign(current, values);
      onChange();
    };
    if (head >= 0)
      requester.request(
        "ablate",
        {
          ...requestOf(traits),
          layer: traits.layer,
          head,
          mode: fill,
          step: traits.step,
        },
        {
          reply: ({ top }) => update({ rows: top, status: "with → without" }),
          fail: ({ message, remedy }) => update({ status: `${message} ${remedy ?? ""}` }),
        },
      );
    update({ status: head < 0 ? "" : "running …" });
  }

  /** @param {Traits} traits */
  return (traits) => {
    if (!traits.info.can_ablate || traits.view === "model") return nothing;
    const place = `${[traits.capture_id, traits.attention, traits.layer, traits.step]}`;
    const shown = ablated.place === place ? ablated : { head: -1, status: "", rows: null };
    const buttons = Array.from({ length: headsOf(traits) }, (_, head) => {
      const isAblated = shown.head === head;
      return html`<button
        role="switch"
        data-off=${head}
        aria-label="head ${head} off"
        aria-checked=${String(isAblated)}
        @click=${() => ablate(traits, place, isAblated ? -1 : head)}
      >
        ${String(head)}
      </button>`;
    });
    const setFill = (/** @type {string} */ value) => {
      fill = value;
      ablate(traits, place, shown.head);
    };
    return html`<div class="filters" data-ablation>
      <span class="seg"><span class="lab">ablate head</span>${buttons}</span>
      ${choice({ name: "filled with", choices: traits.info.choices.mode, value: fill }, setFill)}
      <span class="lab" role="status">${shown.status}</span>
      ${shown.rows ? likelyTokens(shown.rows) : nothing}
    </div>`;
  };
}
