// The stage: puts the view of the shown frame on it, draws it, and takes what the pointer does
// there.
import { VIEWS } from "../views/index.js";
import { NARROWEST } from "../controls/status.js";
import { sameTarget, targetIn } from "../views/shared/pointer.js";
import { pinned, rowsOf } from "../views/shared/selection.js";

/** @typedef {import("../types.js").Traits} Traits */
/** @typedef {import("../types.js").Frame} Frame */
/** @typedef {import("../view-types.js").View} View */
/** @typedef {import("../view-types.js").Target} Target */
/** @typedef {import("../view-types.js").Said} Said */

/** The pins as one string, to see whether they changed. @param {Traits} traits */
export const pinsOf = ({ view, query, key }) => JSON.stringify([view, query, key]);

/**
 * @param {import("./local.js").Parts} parts
 * @param {import("./actions.js").Actions} actions
 * @param {AbortSignal} signal
 */
export function createStage({ state, store, detail, shell, local, change }, actions, signal) {
  /** @type {Map<string, View>} */
  const views = new Map();

  /** @param {string} name @returns {View | null} */
  function viewOf(name) {
    const make = VIEWS[/** @type {keyof typeof VIEWS} */ (name)];
    if (!views.has(name) && make)
      views.set(name, make({ onHover, onPin, onRedraw: change }, signal));
    return views.get(name) ?? null;
  }

  /**
   * Draw the frame that has arrived; request the exact rows that its reading needs.
   * @param {Traits} traits
   * @param {import("../view-types.js").Look} look
   * @param {number} width
   * @returns {Said | null} null where nothing was drawn
   */
  function draw(traits, look, width) {
    const frame = store.shown;
    const fits = width >= NARROWEST || frame?.view === "matrix" || frame?.view === "text";
    const view = frame && fits ? viewOf(frame.view) : null;
    shell.show(view?.element ?? null);
    local.view = view;
    if (!frame || !view) return null;
    // In the model view, the rows that are read are those of the head beside the thumbnails.
    const rowStore = frame.view === "model" ? detail : store;
    const rowFrame = rowStore.shown;
    const description = view.draw({
      frame,
      traits,
      look,
      width,
      hover: targetIn(local.hover, rowFrame ?? frame),
      focused: local.focused,
      litHead: local.litHead,
      detail: frame.view === "model" ? detail.shown : null,
      exact: (side, index) => rowStore.exact(rowFrame ?? frame, side, index),
      finer: (region, wider) => store.finer(frame, region, wider),
    });
    describe(view.surface, frame, description, traits);
    if (rowFrame && store.complete && rowFrame.capture_id === traits.capture_id)
      rowStore.wantRows(rowFrame, description.reading?.needs ?? []);
    return description;
  }

  /**
   * Put on the surface what was drawn, for tests and screen readers.
   * @param {HTMLElement} surface
   * @param {Frame} frame
   * @param {Said} description
   * @param {Traits} traits
   */
  function describe(surface, frame, description, traits) {
    const { view, method, attention } = frame.spec;
    const { capture_id } = frame;
    // A frame knows the layer and the head only where it depends on them.
    const names = traits.info.rules.depends_on[view]?.[method] ?? [];
    const [layer, head] = /** @type {const} */ (["layer", "head"]).map((name) =>
      names.includes(name) ? frame.spec[name] : traits[name],
    );
    if (local.picture !== store.shownKey) shell.fade(surface);
    local.picture = store.shownKey;
    const picture = { view, method, layer, head, attention, capture_id, complete: store.complete };
    surface.dataset.frame = JSON.stringify(picture);
    Object.assign(surface, { frame }); // the numbers themselves, for scripts in the page
    surface.dataset.ready = String(++local.updates);
    surface.setAttribute("aria-label", description.label);
  }

  /** @param {Target | null} target */
  function onHover(target) {
    if (!sameTarget(target, local.hover)) change({ hover: target });
  }

  /** @param {Target} target @param {boolean} several */
  function onPin(target, several) {
    if ("layer" in target) {
      const { layer, head } = target;
      actions.set(head === null ? { layer } : { layer, head });
      return;
    }
    const frame = store.shown?.view === "model" ? detail.shown : store.shown;
    if (frame) actions.set(pinned(target, several, frame.queries, frame.keys, state.traits()));
  }

  /** Bring the pinned token into the viewport. @param {Traits} traits @param {Frame} frame */
  function reveal(traits, { queries, keys }) {
    local.revealedPins = pinsOf(traits);
    const { query, key } = traits;
    const [row] = query.length ? rowsOf(queries, query) : rowsOf(keys, key);
    if (row !== undefined) local.view?.reveal?.(row);
  }

  return { draw, reveal };
}

/** @typedef {ReturnType<typeof createStage>} Stage */
