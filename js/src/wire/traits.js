// The only file that talks to the model: traits in and out, messages in and out.

/** @typedef {import("../types.js").Traits} Traits */

const SAVE_AFTER_MS = 40; // a dragged slider is one change, not fifty

/**
 * @param {any} model anywidget's model
 * @param {AbortSignal} signal when it fires, everything here is let go
 */
export function createState(model, signal) {
  /** @type {(keyof Traits)[]} */
  const names = model.get("info").traits;
  /** @type {(names: Set<string>) => void} */
  let changed = () => {};
  /** @type {(message: any, buffers: any[]) => void} */
  let received = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let saving;
  // What the user changed and Python was not told yet. A host may set the model to what Python
  // confirms of an earlier change meanwhile; the newer value stays.
  /** @type {Partial<Traits>} */
  let unsaved = {};

  const save = () => {
    clearTimeout(saving);
    saving = undefined;
    const values = unsaved;
    unsaved = {};
    for (const [name, value] of Object.entries(values)) model.set(name, value);
    attempt(() => model.save_changes());
  };

  for (const name of names) {
    const onChange = () => changed(new Set([name]));
    model.on(`change:${name}`, onChange);
    signal.addEventListener("abort", () => attempt(() => model.off(`change:${name}`, onChange)));
  }
  /** @param {any} message @param {any[]} buffers */
  const onMessage = (message, buffers) => received(message, buffers ?? []);
  model.on("msg:custom", onMessage);
  signal.addEventListener("abort", () => {
    if (saving !== undefined) save();
    attempt(() => model.off("msg:custom", onMessage));
  });

  return {
    /** @returns {Traits} a snapshot */
    traits() {
      const traits = /** @type {any} */ ({});
      for (const name of names) traits[name] = model.get(name);
      return Object.assign(traits, unsaved);
    },
    /** What the host kept of the picture, for a page without a kernel. @returns {any} */
    drawn: () => model.get("drawn"),
    /** What the still pictures beside this view are found by. @returns {import("../types.js").Still} */
    still: () => model.get("still") ?? {},
    /**
     * Set traits: this page sees them at once, Python after a moment.
     * @param {Partial<Traits>} values
     */
    set(values) {
      Object.assign(unsaved, values);
      for (const [name, value] of Object.entries(values)) model.set(name, value);
      saving ??= setTimeout(save, SAVE_AFTER_MS);
    },
    /** Tell Python now what was set. */
    save,
    /** @param {any} message */
    send: (message) => model.send(message),
    /** @param {(names: Set<string>) => void} callback */
    onChange(callback) {
      changed = callback;
    },
    /** @param {(message: any, buffers: any[]) => void} callback */
    onMessage(callback) {
      received = callback;
    },
  };
}

/** Some hosts without a kernel throw where there is nothing to tell. @param {() => void} action */
function attempt(action) {
  try {
    action();
  } catch (error) {
    console.debug("attn-widget:", error);
  }
}

/** @typedef {ReturnType<typeof createState>} State */
