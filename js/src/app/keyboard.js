// The keyboard on the stage: keys become changes of traits; `local.focused` follows the focus.
import { pressed } from "../controls/keys.js";

/**
 * @param {import("./local.js").Parts} parts
 * @param {import("./actions.js").Actions} actions
 * @param {import("./stage.js").Stage} stage
 * @param {AbortSignal} signal
 */
export function listenToKeys({ state, store, shell, local, change }, actions, stage, signal) {
  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const isOfView = local.view?.press?.(event.key);
    const values = isOfView ? {} : pressed(event, state.traits(), store.shown);
    if (!values) return;
    event.preventDefault();
    if (!Object.keys(values).length) return;
    local.hover = null;
    actions.set(values);
    if (store.shown && (values.query || values.key)) stage.reveal(state.traits(), store.shown);
  }

  shell.stage.addEventListener("keydown", onKey, { signal });
  const onFocus = () => change({ focused: shell.stage.matches(":focus-visible") });
  for (const type of ["focusin", "focusout"])
    shell.stage.addEventListener(type, onFocus, { signal });
}
