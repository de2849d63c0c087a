// A head switched off: one button a head of the layer, and the likeliest answers with it and without.
import { choice } from "./controls.js";
import { html, nothing } from "lit-html";
import { odds } from "./likely-tokens.js";
import { groupOf, requestOf } from "../wire/spec.js";

/** @typedef {import("../types.js").Traits} Traits */

/** @param {import("../wire/requests.js").Requester} requester @param {() => void} schedule */
export function createAblation(requester, schedule) {
  /** @type {{ place: string, head: number, rows?: any, said?: string }} */
  let off = { place: "", head: -1 };
  let how = "zero";

  /** Ask what is answered without this head; the same button again turns it on. @param {Traits} traits @param {string} place @param {number} head */
  function toggle(traits, place, head) {
    requester.cancel("ablate");
    const mine = (off = { place, head });
    const tell = (/** @type {object} */ values) => {
      Object.assign(mine, values);
      schedule();
    };
    if (head >= 0)
      requester.ask(
        "ablate",
        { ...requestOf(traits), head, how, step: traits.step },
        {
          reply: ({ top }) => tell({ rows: top, said: "with → without" }),
          fail: ({ message, remedy }) => tell({ said: `${message} ${remedy ?? ""}` }),
        },
      );
    tell({ said: head < 0 ? "" : "running …" });
  }

  /** @param {Traits} traits */
  return (traits) => {
    if (!traits.info.can_ablate || traits.view === "model") return nothing;
    const place = `${[traits.capture_id, traits.attention, traits.layer, traits.step]}`;
    const now = off.place === place ? off : { head: -1, said: "", rows: null };
    return html`<div class="filters" data-ablation>
      <span class="seg"
        ><span class="lab">switch off</span>${Array.from(
          { length: groupOf(traits).heads },
          (_, head) => {
            const isOff = now.head === head;
            return html`<button
              role="switch"
              data-off=${head}
              aria-label="head ${head} off"
              aria-checked=${String(isOff)}
              @click=${() => toggle(traits, place, isOff ? -1 : head)}
            >
              ${String(head)}
            </button>`;
          },
        )}</span
      >
      ${choice(
        { name: "filled with", choices: ["zero", "mean", "uniform"], value: how },
        (value) => {
          how = value;
          toggle(traits, place, now.head);
        },
      )}
      <span class="lab" role="status">${now.said}</span>${now.rows ? odds(now.rows) : nothing}
    </div>`;
  };
}
