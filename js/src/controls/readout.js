// The readout below the picture: the number under the pointer, or the progress, or an error. Always
// one line.
import { html, nothing } from "lit-html";
import { legend } from "./caption.js";
import { fixed, rounded, seconds, tokenText } from "../format.js";

/** @typedef {import("../view-types.js").Reading} Reading */
/** @typedef {import("../types.js").Failure} Failure */

const HINT = "Hover a token to read it, click to pin it.";

/**
 * @typedef {Object} ReadoutState
 * @property {Reading | null} reading
 * @property {Failure | null} failure
 * @property {string | null} still what stays on screen after a failure
 * @property {{ what: string, done: number, total: number, elapsed: number } | null} working
 * @property {string | null} notice another plain sentence
 * @property {boolean} narrow
 * @property {import("../view-types.js").Legend | null} legend
 */

/**
 * @param {ReadoutState} state
 * @param {{ cancel: () => void, retry: () => void, toggleScale: () => void }} actions
 */
export function readout(state, actions) {
  const reading = state.reading;
  const kind = state.failure ? "error" : state.working ? "working" : reading ? "reading" : "empty";
  const legendHere = state.narrow ? null : state.legend;
  const shows = reading && !state.failure && !state.working;
  return html`<div
    class="read"
    data-readout
    data-exact=${shows ? (reading.exact ? "1" : "0") : nothing}
    data-value=${shows ? String(reading.value) : nothing}
    data-state=${kind}
  >
    ${
      state.failure
        ? failed(state.failure, state.still, actions)
        : state.working
          ? working(state.working, actions)
          : reading
            ? read(reading, state.narrow)
            : html`<span class="m">${state.notice ?? HINT}</span>`
    }
    ${legendHere ? html`<span class="gap"></span>${legend(legendHere, actions)}` : nothing}
  </div>`;
}

/** @param {Reading} reading @param {boolean} narrow */
function read(reading, narrow) {
  const names = (/** @type {string[]} */ tokens) =>
    tokens
      .slice(0, 3)
      .map((token) => tokenText(token, narrow ? 12 : 24))
      .join(" + ") + (tokens.length > 3 ? ` + ${tokens.length - 3} more` : "");
  const [query, key] = [names(reading.queries), names(reading.keys)];
  const notes = narrow
    ? nothing
    : reading.notes.map((note) => html`<span class="m cut">${note}</span>`);
  const number = html`<b data-number
    >${reading.exact ? fixed(reading.value, 4) : rounded(reading.value)}</b
  >`;
  if (reading.title) {
    return html`<b data-title>${reading.title}</b>
      <span class="tokens"><span data-query>${query}</span> → <span data-key>${key}</span></span>
      ${number} ${notes}${narrow ? nothing : html`<span class="m cut">${reading.where}</span>`}`;
  }
  const { head } = reading;
  const swatch = head?.colour
    ? html`<i class="swatch" .style=${`background:${head.colour}`}></i>`
    : nothing;
  return html`
    <span class="tokens"><b data-query>${query}</b> → <b data-key>${key}</b></span>
    <span class="m">${reading.where}</span>
    ${head ? html`<span class="m" data-head>${swatch}${head.name}</span>` : nothing} ${number}
    ${notes}
  `;
}

/** @param {NonNullable<ReadoutState["working"]>} work @param {{ cancel: () => void }} actions */
function working({ what, done, total, elapsed }, actions) {
  const left = total && done ? (elapsed / done) * (total - done) : 0;
  const parts = [
    total ? `row ${done} of ${total}` : "",
    seconds(elapsed),
    left > 0 ? `about ${Math.max(1, Math.round(left / 1000))} s left` : "",
  ];
  const cancel = html`<button class="link m" data-cancel @click=${actions.cancel}>cancel</button>`;
  return html`<b>${what}</b
    ><span class="m" data-progress>${parts.filter(Boolean).join(" · ")}</span>
    ${total ? cancel : nothing}`;
}

/** @param {Failure} failure @param {string | null} still @param {{ retry: () => void }} actions */
function failed(failure, still, actions) {
  if (failure.name === "Cancelled") {
    return html`<span class="m">${failure.message}</span>
      <button class="link m" data-retry @click=${actions.retry}>go on</button>`;
  }
  return html`<span class="wrong" role="alert" data-error=${failure.name}>${failure.message}</span>
    <span class="m">${[still, failure.remedy].filter(Boolean).join(" ")}</span>`;
}

/**
 * A failed run with no picture to keep: name, sentence, one line of code to copy.
 * @param {import("../types.js").ErrorState} error
 */
export function runFailure(error) {
  return html`<div class="message" role="alert" data-error=${error.name ?? "error"}>
    <h4>${error.name}</h4>
    <p>${[error.message, error.remedy].filter(Boolean).join(" ")}</p>
    ${error.code ? html`<code>${error.code}</code>` : nothing}
  </div>`;
}

/**
 * The reading in words for a screen reader; "" until it is exact.
 * @param {Reading | null} reading
 */
export function spoken(reading) {
  if (!reading?.exact) return "";
  const where = reading.head ? `${reading.where}, ${reading.head.name}` : reading.where;
  const names = (/** @type {string[]} */ tokens) =>
    tokens.map((token) => tokenText(token)).join(", ");
  const pair = `${names(reading.queries)} to ${names(reading.keys)}`;
  return `${pair}: ${fixed(reading.value, 4)}, ${where}`;
}
