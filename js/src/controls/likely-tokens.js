// Likely next tokens in a line: each with its probability as a number and a bar, or with two where
// a head is ablated.
import { html } from "lit-html";
import { fixed, tokenText } from "../format.js";

/**
 * @param {[token: string, ...probabilities: number[]][]} rows probabilities from 0 to 1
 * @param {string} [chosen] the token that the model wrote
 */
export const likelyTokens = (rows, chosen) =>
  html`<div class="likely">
    ${rows.map(
      ([token, ...probabilities]) =>
        html`<span class="likely-token" ?data-chosen=${token === chosen}
          ><span
            ><b>${tokenText(token, 16)}</b>
            ${probabilities.map((p) => fixed(100 * p, 1)).join(" → ")} %</span
          >${probabilities.map((p) => html`<i .style=${`width:${100 * p}%`}></i>`)}</span
        >`,
    )}
  </div>`;
