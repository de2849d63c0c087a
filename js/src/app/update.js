// One update: requests what the traits show and the page lacks, draws what has arrived, and renders
// what stands around it.
import { renderLayout } from "../controls/frame-layout.js";
import { generationSteps } from "../controls/generation-steps.js";
import { failureOf, noticeOf, workOf, NARROWEST } from "../controls/status.js";
import { resolve } from "../controls/theme.js";
import { matchesOf, placeOf } from "../views/shared/find.js";
import { GONE } from "../wire/requests.js";
import { isOnDemand, keepsHeads, requestOf } from "../wire/spec.js";
import { pinsOf } from "./stage.js";

/** @typedef {import("../types.js").Traits} Traits */
/** @typedef {import("../types.js").Frame} Frame */

const NARROW = 600;

/**
 * @param {Object} given
 * @param {import("./local.js").Parts} given.parts
 * @param {import("./actions.js").Actions} given.actions
 * @param {import("./stage.js").Stage} given.stage
 * @param {ReturnType<typeof import("../controls/ablation.js").createAblation>} given.ablation
 * @param {() => void} given.hideStill called once something was drawn
 * @param {AbortSignal} given.signal
 */
export function createUpdate({ parts, actions, stage, ablation, hideStill, signal }) {
  const { state, store, detail, saving, shell, local, change } = parts;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let nextTick;
  signal.addEventListener("abort", () => clearTimeout(nextTick));

  /** Resolve the colours where the theme changed. @param {Traits} traits */
  function currentLook({ theme }) {
    local.look ??= resolve(shell.host, shell.root, theme);
    const ratio = window.devicePixelRatio || 1;
    if (local.look.ratio !== ratio) local.look = { ...local.look, ratio };
    return local.look;
  }

  /** A new capture: no frame of the last one is of use. @param {Traits} traits */
  function forgetOldCapture({ capture_id }) {
    if (local.captureId === capture_id) return;
    local.captureId = capture_id;
    local.hover = null;
    store.forget();
    detail.forget();
  }

  /** Request the frames that these traits show. @param {Traits} traits */
  function request(traits) {
    if (isOnDemand(traits)) return; // the kernel shows another capture once it has what it needs
    store.want(requestOf(traits));
    // The kernel caches joint matrices: once all thumbnails have arrived, the chosen one takes no
    // time.
    if (traits.view === "model" && (keepsHeads(traits) || store.complete))
      detail.want(requestOf({ ...traits, view: "matrix" }));
  }

  /** What runs, and when to look again how long it takes. @param {Traits} traits */
  function currentWork(traits) {
    const now = performance.now();
    local.runningSince = traits.running ? local.runningSince || now : 0;
    const waiting = saving.pending ? saving : store;
    const { work, again } = workOf(waiting, traits, local.runningSince, now);
    clearTimeout(nextTick);
    if (again !== null) nextTick = setTimeout(change, again);
    return work;
  }

  /**
   * The matches of the search, null where nothing is searched.
   * @param {Traits} traits
   * @param {Frame | null} frame
   */
  function currentMatches({ find }, frame) {
    if (!frame || !find.trim()) return null;
    const matches = matchesOf(frame, find);
    return { count: matches.length, at: placeOf(matches, local.hover) };
  }

  /**
   * What failed; a kernel that does not reply fails what was requested.
   * @param {import("../controls/status.js").Waiting} waiting
   * @param {Traits} traits
   */
  function currentFailure(waiting, traits) {
    const failure = failureOf(waiting, traits, local.dismissed);
    return failure ?? (store.pending && store.shown && !local.kernelReplies ? GONE : null);
  }

  return function update() {
    // a part that is never hidden: the width inside the paddings
    const width = shell.below.clientWidth;
    if (width <= 0) return;
    const traits = state.traits();
    const look = currentLook(traits);
    forgetOldCapture(traits);
    const runFailed = traits.error.where === "run";
    if (traits.views.includes(traits.view) && !runFailed) request(traits);

    const narrow = width < NARROW;
    shell.root.classList.toggle("narrow", narrow);
    const description = runFailed ? null : stage.draw(traits, look, width);
    const frame = description ? store.shown : null;
    if (frame) hideStill();
    const isOfView = frame?.view === traits.view && store.complete;
    if (frame && isOfView && local.revealedPins !== pinsOf(traits)) stage.reveal(traits, frame);

    const matches = currentMatches(traits, frame);
    const failing = saving.failed ? saving : store;
    renderLayout(
      shell,
      {
        traits,
        width,
        narrow,
        runFailed,
        matches,
        look,
        description,
        frame,
        folded: local.folded,
        hover: local.hover,
        draft: local.draft,
        kernelReplies: local.kernelReplies,
        options: (frame && local.view?.options?.(frame)) || [],
        modelControls: runFailed ? [] : [generationSteps(traits, actions), ablation(traits)],
        work: currentWork(traits),
        failure: local.hover || runFailed ? null : currentFailure(failing, traits),
        notice: noticeOf({
          traits,
          noMatch: matches?.count === 0,
          hasPicture: !!frame,
          tooNarrow: !description && !!store.shown && width < NARROWEST,
          kernelReplies: local.kernelReplies,
          notKept: local.notKept,
        }),
      },
      actions,
    );
  };
}
