// Everything around the picture: controls above it, what it shows beside it, readout and caption below.
import { html, nothing, render } from "lit-html";
import { caption, side } from "./caption.js";
import { controls } from "./controls.js";
import { readout, runFailure, spoken } from "./readout.js";
import { textboxes } from "./text-input.js";

/** @typedef {import("../types.js").Traits} Traits */

/**
 * @param {ReturnType<typeof import("./shell.js").createShell>} shell
 * @param {Object} given
 * @param {Traits} given.traits
 * @param {number} given.width
 * @param {boolean} given.narrow
 * @param {boolean} given.folded
 * @param {boolean} given.dead the model failed: there is nothing to show
 * @param {{ count: number, at: number } | null} given.matches of the search
 * @param {import("../types.js").Look} given.look
 * @param {import("../types.js").Option[]} given.options of the view
 * @param {any[]} given.tried what can be tried with the model: steps, heads off
 * @param {import("../types.js").Said | null} given.said by the view about its picture
 * @param {import("../types.js").Frame | null} given.frame
 * @param {import("../types.js").Failure | null} given.failure
 * @param {string | null} given.notice
 * @param {import("./status.js").Work | null} given.work
 * @param {import("../types.js").Target | null} given.hover
 * @param {import("./text-input.js").Draft} given.draft
 * @param {boolean} given.kernel whether it answers
 * @param {any} actions
 */
export function surround(shell, given, actions) {
  const { traits, narrow, dead, tried, said, frame, failure, notice, work, hover, draft } = given;
  render(controls({ ...given, progress: work?.share ?? null }, actions), shell.controls);
  render([textboxes(traits, draft, actions), ...tried], shell.texts);
  render(dead ? runFailure(traits.error) : nothing, shell.message);
  shell.stage.hidden = dead;
  const hasSide =
    !!said && (!!said.strongest || !!said.note || (!!said.legend && !!said.legendBeside));
  shell.stage.toggleAttribute("data-side", hasSide && !narrow);
  render(said && hasSide ? side(said, actions) : nothing, shell.side);
  const reading = said?.reading ?? null;
  const still = frame && failure ? `Still showing ${frame.layer_label ?? frame.view}.` : null;
  const legend = said && !said.legendBeside ? said.legend : null;
  const working = hover || !given.kernel ? null : work; // a kernel that is gone does not work
  const below = html`${readout({ reading, failure, still, working, notice, narrow, legend }, actions)}
  ${caption(said, frame, narrow, actions)}`;
  render(dead ? nothing : below, shell.below);
  shell.say(spoken(reading));
}
