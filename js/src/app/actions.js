// What the controls can do.
import { nextMatch } from "../views/shared/find.js";
import { pinsOf } from "./stage.js";

/** @typedef {import("../types.js").Traits} Traits */
/** @typedef {import("../controls/text-input.js").Draft} Draft */

/** @param {import("./local.js").Parts} parts */
export function createActions({ state, store, saving, local, change }) {
  const set = (/** @type {Partial<Traits>} */ values) => {
    local.dismissed = state.traits().error.id ?? 0;
    saving.failed = null;
    if ("find" in values) local.hover = null; // the match of the last search
    state.set(values);
    // Python may run the model for these: the reply comes when it is done.
    if (["text", "pair", "method"].some((name) => name in values)) {
      state.save();
      store.requester.request("settled", {}, { reply: () => {} });
    }
    // A token that was pinned on the stage is in the viewport already.
    if (values.query || values.key) local.revealedPins = pinsOf(state.traits());
    change();
  };
  return {
    set,
    setBaseline: (/** @type {boolean} */ baseline) => set({ baseline }),
    highlightHead: (/** @type {number | null} */ litHead) => change({ litHead }),
    fold: () => change({ folded: !local.folded }),
    edit: (/** @type {Partial<Draft>} */ draft) => change({ draft: { ...local.draft, ...draft } }),
    /** Run the model on what was typed. */
    run() {
      const { text, pair } = state.traits();
      set({ text: local.draft.text ?? text, pair: local.draft.pair ?? pair });
      local.draft = { text: null, pair: null };
    },
    cancel: () => (saving.pending ? saving : store).cancel(),
    retry: () => store.retry(),
    /** @param {string} format png, svg or html */
    save(format) {
      const { view, method, layer } = state.traits();
      const name = `${view}-${method}-layer-${layer}`;
      if (local.look) saving.save(format, local.view?.surface, local.look, name);
    },
    /** Go to the next match of the search, or to the one before. @param {1 | -1} direction */
    nextMatch(direction) {
      const frame = store.shown;
      const match = frame && nextMatch(frame, state.traits().find, local.hover, direction);
      if (!match) return;
      local.view?.reveal?.(match.index);
      change({ hover: match });
    },
    toggleScale: () => local.view?.toggleScale?.(),
    /**
     * Set a choice that only the view on the stage has.
     * @param {string} name
     * @param {string} value
     */
    choose: (name, value) => local.view?.choose?.(name, value),
  };
}

/** @typedef {ReturnType<typeof createActions>} Actions */
