// Everything around the picture: controls above it, lists beside it, readout and caption below.
import { html, nothing, render } from "lit-html";
import { caption, side } from "./caption.js";
import { controls } from "./controls.js";
import { readout, runFailure, spoken } from "./readout.js";
import { textInput } from "./text-input.js";

/** @typedef {import("../types.js").Traits} Traits */

/**
 * @typedef {Object} Content what stands around the picture at one moment
 * @property {Traits} traits
 * @property {number} width CSS pixels
 * @property {boolean} narrow
 * @property {boolean} folded the filters are hidden (narrow only)
 * @property {boolean} runFailed the model raised an error: there is no picture
 * @property {{ count: number, at: number } | null} matches of the search
 * @property {import("../view-types.js").Look} look
 * @property {import("../view-types.js").Option[]} options of the view
 * @property {any[]} modelControls templates of what needs the model: generation steps, head
 *   ablation
 * @property {import("../view-types.js").Said | null} description of the picture, by the view that drew
 *   it
 * @property {import("../types.js").Frame | null} frame
 * @property {import("../types.js").Failure | null} failure
 * @property {string | null} notice
 * @property {import("./status.js").Work | null} work
 * @property {import("../view-types.js").Target | null} hover
 * @property {import("./text-input.js").Draft} draft
 * @property {boolean} kernelReplies
 */

/**
 * @param {ReturnType<typeof import("./shell.js").createShell>} shell
 * @param {Content} content
 * @param {import("./controls.js").ControlActions & Parameters<typeof textInput>[2] &
 *   Parameters<typeof readout>[1]
 *   & Parameters<typeof caption>[3]} actions
 */
export function renderLayout(shell, content, actions) {
  const { traits, narrow, runFailed, modelControls, description, frame, failure, work } = content;
  render(controls({ ...content, progress: work?.share ?? null }, actions), shell.controls);
  render([textInput(traits, content.draft, actions), ...modelControls], shell.texts);
  render(runFailed ? runFailure(traits.error) : nothing, shell.message);
  shell.stage.hidden = runFailed;

  const legend = description?.legend ?? null;
  const isBeside = !!description?.legendBeside;
  const hasSide = !!(description?.strongest || description?.note || (legend && isBeside));
  shell.stage.toggleAttribute("data-side", hasSide && !narrow);
  render(description && hasSide ? side(description, actions) : nothing, shell.side);

  const reading = description?.reading ?? null;
  const isWorking = !content.hover && content.kernelReplies; // a lost kernel computes nothing
  const line = {
    reading,
    failure,
    still: frame && failure ? `Still showing ${frame.layer_label ?? frame.view}.` : null,
    working: isWorking ? work : null,
    notice: content.notice,
    narrow,
    legend: isBeside ? null : legend,
  };
  const below = html`${readout(line, actions)}
  ${caption(description, frame, narrow, actions, content.kernelReplies)}`;
  render(runFailed ? nothing : below, shell.below);
  shell.announce(spoken(reading));
}
