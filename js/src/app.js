// One view of the widget: traits and messages come in, at most one update per animation frame goes
// out.
//
// state                        | held by                                 | until
// ---------------------------- | --------------------------------------- | ------------------------
// traits: what is shown        | host's model, by wire/traits.js         | the widget is deleted
// pins, selection              | traits query, key, heads, head; rows of | as the traits
//                              | positions: views/shared/selection.js    |
// frames, exact rows, regions  | wire/frames.js: a Store for the stage,  | another capture, closing
//                              | one for the head beside the model view  |
// requests without a reply     | wire/requests.js: a Requester per Store | the reply, closing
// a file that is being saved   | wire/save.js                            | it is saved
// trait changes not sent yet   | wire/traits.js                          | sent after 40 ms
// hover, focus, draft, colours | app/local.js                            | closing the view
// scroll, zoom, order, scale   | views/<name>/view.js                    | closing the view
// ablated head and its result  | controls/ablation.js                    | another layer
import { createActions } from "./app/actions.js";
import { listenToKeys } from "./app/keyboard.js";
import { createLocal } from "./app/local.js";
import { createStage } from "./app/stage.js";
import { stillOf } from "./app/still.js";
import { createUpdate } from "./app/update.js";
import { createAblation } from "./controls/ablation.js";
import { createShell } from "./controls/shell.js";
import { watchTheme } from "./controls/theme.js";
import { keptFrame } from "./wire/drawn.js";
import { Store } from "./wire/frames.js";
import { GONE, Requester } from "./wire/requests.js";
import { Saving } from "./wire/save.js";
import { createState } from "./wire/traits.js";

const KERNEL_WITHIN_MS = 2000;

/**
 * @param {any} model anywidget's model
 * @param {HTMLElement} el the host's element for this view
 * @param {AbortSignal} signal when it fires, everything here ends
 */
export function mount(model, el, signal) {
  let scheduled = 0;
  const local = createLocal();
  /** @param {Partial<import("./app/local.js").Local>} [values] */
  const change = (values) => {
    Object.assign(local, values);
    if (scheduled || signal.aborted) return;
    scheduled = requestAnimationFrame(() => {
      scheduled = 0;
      update();
    });
  };
  const redraw = () => change();

  const state = createState(model, signal);
  const requester = new Requester(state.send);
  // a request of the same name must not cancel the stage's
  const detailRequester = new Requester(state.send);
  const parts = {
    state,
    store: new Store(requester, redraw),
    detail: new Store(detailRequester, redraw),
    saving: new Saving(requester, redraw),
    shell: createShell(el, signal),
    local,
    change,
  };
  const onMissing = () => requester.request("no_still", {}, { reply: () => {} });
  const hideStill = stillOf(state.still, el, onMissing, signal);
  const ablation = createAblation(detailRequester, redraw);
  const actions = createActions(parts);
  const stage = createStage(parts, actions, signal);
  const update = createUpdate({ parts, actions, stage, ablation, hideStill, signal });

  const kept = keptFrame(state.drawn(), state.traits());
  if (kept && "frame" in kept) {
    local.captureId = state.traits().capture_id;
    parts.store.keep(kept.spec, kept.frame);
  } else if (kept) local.notKept = kept.why;

  listenToKeys(parts, actions, stage, signal);
  state.onChange((names) => change(names.has("theme") ? { look: null } : {}));
  state.onMessage((message, buffers) => {
    requester.receive(message, buffers);
    detailRequester.receive(message, buffers);
  });
  watchTheme(() => change({ look: null }), signal);
  const observer = new ResizeObserver(redraw);
  observer.observe(parts.shell.host);

  const silence = setTimeout(() => change({ kernelReplies: false }), KERNEL_WITHIN_MS);
  const onReply = (/** @type {boolean} */ kernelReplies) => {
    clearTimeout(silence);
    change({ kernelReplies });
  };
  requester.request(
    "hello",
    {},
    { reply: () => onReply(true), fail: (failure) => onReply(failure !== GONE) },
  );

  signal.addEventListener("abort", () => {
    cancelAnimationFrame(scheduled);
    clearTimeout(silence);
    observer.disconnect();
    requester.close();
    detailRequester.close();
    parts.shell.host.remove();
  });
  redraw();
}
