// What is left out and how much it weighs; how far the numbers can be trusted. And what stands beside the matrix.
import { html, nothing } from "lit-html";
import drawing from "../../../attn_widget/pictures/drawing.json" with { type: "json" };
import { count, fixed, many, percent, tokenText } from "../format.js";
import { sentence } from "../sentences.js";

/** @typedef {import("../view-types.js").Said} Said */
/** @typedef {import("../types.js").Frame} Frame */

/**
 * @param {Said | null} said
 * @param {Frame | null} frame
 * @param {boolean} narrow
 * @param {{ setBaseline: (on: boolean) => void }} actions
 * @param {boolean} [kernelReplies]
 */
export function caption(said, frame, narrow, actions, kernelReplies = true) {
  if (!said || !frame) return html`<div class="caption"></div>`;
  const { mass } = said;
  return html`<div class="caption" data-caption>
    ${saturation(frame, said.saturation ?? frame.saturation, actions)}
    <span
      >${
        mass
          ? html`<span
              class="mass"
              role="img"
              aria-label="${percent(mass.drawn)} drawn, the rest left out"
              ><i .style=${`width:${(100 * mass.drawn).toFixed(2)}%`}></i
              ><i .style=${`width:${(100 * (1 - mass.drawn)).toFixed(2)}%`}></i
            ></span>`
          : nothing
      }${said.caption[0]}</span
    >
    ${said.caption.slice(1).map((words) => html`<span>${words}</span>`)}
    ${frame.missing ? html`<span data-missing><i class="nan"></i>${sentence("not_numbers", { n: many(frame.missing, "weight") })}</span>` : nothing}
    ${(frame.notes ?? []).map((words) => html`<span data-note-of-capture>${words}</span>`)}
    ${kernelReplies ? nothing : html`<span data-saved>${sentence("saved_picture")}</span>`}
  </div>`;
}

/** @param {Frame} frame @param {number | null | undefined} share @param {{ setBaseline: (on: boolean) => void }} actions */
function saturation(frame, share, actions) {
  const link = (/** @type {string} */ text, /** @type {boolean} */ on) =>
    html`<button class="link" data-baseline @click=${() => actions.setBaseline(on)}>
      ${text}
    </button>`;
  const words = trustWords(frame, share);
  if (frame.divided_by) return html`<span>${words[0]}</span>${link("show it undivided", false)}`;
  if (!words.length) return nothing;
  const warn = (share ?? 0) >= drawing.warn_saturation_from;
  return html`<span class="badge ${warn ? "warn" : ""}" data-saturation=${fixed(share ?? 0, 4)}
      >${words[0]}</span
    >
    <span>${words[1]}</span>
    ${warn ? link("divide by the uniform baseline", true) : nothing}`;
}

/**
 * What a joint method was divided by, else how many of its pairs are at their bound.
 * @param {Frame} frame @param {number | null | undefined} share of pairs at the bound
 * @returns {string[]}
 */
export function trustWords(frame, share) {
  if (frame.divided_by) return [sentence("divided_by", { baseline: frame.divided_by })];
  if (share === null || share === undefined) return [];
  const { unit } = frame;
  const flags = frame.arrays.saturated?.data;
  const n = flags && Array.from(flags).reduce((sum, flag) => sum + flag, 0);
  return [
    sentence("at_bound", { share: percent(share, 0) }),
    flags
      ? sentence("at_bound_pairs", { n: count(n ?? 0), all: count(flags.length), unit })
      : sentence("at_bound_is", { unit }),
  ];
}

/**
 * Legend, the strongest of a row, what is not exact yet.
 * @param {Said} said
 * @param {{ toggleScale: () => void }} actions
 */
export function side(said, actions) {
  return html`<div class="side">
    ${said.legend && said.legendBeside ? legend(said.legend, actions) : nothing}
    ${said.note ? html`<p class="note" data-note>${said.note}</p>` : nothing}
    ${said.strongest ? strongest(said.strongest) : nothing}
  </div>`;
}

/** @param {import("../view-types.js").Legend} given @param {{ toggleScale: () => void }} actions */
export function legend(given, actions) {
  const half = Math.floor(given.stops.length / 2);
  const ramp = (/** @type {string[]} */ stops) =>
    html`<i .style=${`background:linear-gradient(90deg,${stops.join(",")})`}></i>`;
  const inside = html`<span class="lab">${given.name}</span><span>${given.marks[0]}</span>${ramp(
      given.stops.slice(0, half + 1),
    )}<span>${given.marks[1]}</span>${ramp(given.stops.slice(half))}<span>${given.marks[2]}</span>`;
  return given.canRoot
    ? html`<button
        class="legend"
        data-legend
        title="linear or square-root colours"
        @click=${actions.toggleScale}
      >
        ${inside}
      </button>`
    : html`<span class="legend" data-legend>${inside}</span>`;
}

/** @param {import("../view-types.js").Strongest} given */
function strongest(given) {
  const number = (/** @type {number} */ value) => (given.exact ? fixed(value, 3) : fixed(value, 2));
  const token = html`<b>${tokenText(given.token, 24)}</b>`;
  const heading = given.after ? html`${token} ${given.verb}` : html`${given.verb} ${token}`;
  return html`<h4 data-strongest>${heading}</h4>
    <ol>
      ${given.rows.map(
        (row) =>
          html`<li>
            <span><bdi>${tokenText(row.text, 20)}</bdi><small>${row.position}</small></span>
            <i .style=${`width:${(100 * row.share).toFixed(1)}%;background:${given.colour}`}></i>
            <em>${number(row.value)}</em>
          </li>`,
      )}
    </ol>`;
}
