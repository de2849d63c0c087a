// One toggle per head: a click turns it on or off, a double-click isolates it, a second
// double-click turns all on.
import { html, nothing } from "lit-html";
import { inkOn, parseCss } from "../paint/color.js";
import { headColours, MANY_HEADS } from "../paint/palettes.js";
import { groupOf, headsOf } from "../wire/spec.js";

/** @typedef {import("../types.js").Traits} Traits */

/**
 * The heads after a click; the last one that is on stays on.
 * @param {number[]} on @param {number} head
 */
export function toggled(on, head) {
  if (!on.includes(head)) return [...on, head].sort((a, b) => a - b);
  return on.length > 1 ? on.filter((other) => other !== head) : on;
}

/**
 * The heads after a double-click: this one alone; all of them where it was alone already.
 * @param {number[]} on @param {number} head @param {number} n
 */
export function isolated(on, head, n) {
  return on.length === 1 && on[0] === head ? Array.from({ length: n }, (_, i) => i) : [head];
}

/** Side of a toggle in pixels. @param {number} n heads */
const sideOf = (n) => (n <= MANY_HEADS ? 18 : n <= 32 ? 14 : 10);

/**
 * @param {Traits} traits
 * @param {import("../view-types.js").Look} look
 * @param {import("./controls.js").ControlActions} actions
 */
export function headToggles(traits, look, actions) {
  const n = headsOf(traits);
  const on = traits.heads.filter((head) => head < n); // a layer may have fewer than others
  const colour = headColours(n, on, look.dark, look.ink3);
  const size = sideOf(n);
  const isLast = (/** @type {number} */ head) => on.length === 1 && on[0] === head;
  const click = (/** @type {number} */ head) => () =>
    actions.set({ heads: isLast(head) ? traits.heads : toggled(traits.heads, head) });
  // The two clicks before a double-click change no case of `isolated`: the last head stays on.
  const doubleClick = (/** @type {number} */ head) => () =>
    actions.set({ heads: isolated(on, head, groupOf(traits).heads), head });
  return html`<div class="heads" role="group" aria-label="heads">
    <span class="lab">heads</span>
    <div
      class="head-toggles"
      .style=${`grid-template-columns:repeat(${Math.min(n, 32)},${size}px)`}
      @pointerleave=${() => actions.highlightHead(null)}
    >
      ${Array.from({ length: n }, (_, head) => {
        const isOn = on.includes(head);
        const fill = n <= MANY_HEADS || isOn ? colour(head) : look.rule2;
        const [r, g, b] = parseCss(fill) ?? [0, 0, 0, 1];
        return html`<button
          class="head-toggle"
          data-head=${head}
          .style=${`--c:${fill};--t:${inkOn([r, g, b])};width:${size}px;height:${size}px`}
          aria-pressed=${String(isOn)}
          aria-label="head ${head}"
          title=${n > MANY_HEADS ? `head ${head}` : nothing}
          ?data-isolated=${on.length === 1 && isOn && n > 1}
          @click=${click(head)}
          @dblclick=${doubleClick(head)}
          @pointerenter=${() => actions.highlightHead(head)}
        >
          ${n <= MANY_HEADS ? head : nothing}
        </button>`;
      })}
    </div>
  </div>`;
}
