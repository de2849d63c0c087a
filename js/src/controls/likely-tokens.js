// Likely answers in a line: each with its probability as a number and a bar, or with two where a head is off.
import { html } from "lit-html";
import { fixed, tokenText } from "../format.js";

/** @param {[string, ...number[]][]} rows @param {string} [chosen] the token that was taken */
export const odds = (rows, chosen) =>
  html`<div class="likely">
    ${rows.map(
      ([name, ...shares]) =>
        html`<span class="odds" ?data-chosen=${name === chosen}
          ><span
            ><b>${tokenText(name, 16)}</b>
            ${shares.map((share) => fixed(100 * share, 1)).join(" → ")} %</span
          >${shares.map((share) => html`<i style="width:${100 * share}%"></i>`)}</span
        >`,
    )}
  </div>`;
