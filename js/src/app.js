// One view of the widget, put together: traits and messages come in, one update per frame goes out.
import { createAblation } from "./controls/ablation.js";
import { pressed } from "./controls/keys.js";
import { Requester } from "./wire/requests.js";
import { matchesOf, nextMatch, placeOf } from "./controls/find.js";
import { pinned, rowsOf } from "./views/shared/selection.js";
import { keepsHeads, requestOf } from "./wire/spec.js";
import { Saving } from "./wire/save.js";
import { steps } from "./controls/generation-steps.js";
import { createShell } from "./controls/shell.js";
import { createState } from "./wire/traits.js";
import { failureOf, noticeOf, workOf, NARROWEST } from "./controls/status.js";
import { Store } from "./wire/frames.js";
import { surround } from "./controls/frame-layout.js";
import { resolve, watchTheme } from "./controls/theme.js";
import { VIEWS } from "./views/index.js";
import { sameTarget } from "./views/shared/pointer.js";

/** @typedef {import("./types.js").Traits} Traits */
/** @typedef {import("./types.js").Said} Said */
/** @typedef {import("./types.js").View} View */

const NARROW = 600;
const KERNEL_WITHIN_MS = 2000;

/**
 * @param {any} model anywidget's model
 * @param {HTMLElement} el where the host wants it
 * @param {AbortSignal} signal when it fires, everything here ends
 */
export function mount(model, el, signal) {
  const state = createState(model, signal);
  const [requester, besides] = [new Requester(state.send), new Requester(state.send)];
  const store = new Store(requester, schedule);
  const detail = new Store(besides, schedule); // the head beside the model view
  const saving = new Saving(requester, schedule);
  const ablation = createAblation(besides, schedule);
  const shell = createShell(el, signal);
  /** @type {Map<string, View>} */
  const views = new Map();
  const local = {
    /** @type {import("./types.js").Target | null} */ hover: null,
    /** @type {number | null} */ litHead: null,
    /** @type {import("./controls/text-input.js").Draft} */ draft: { text: null, pair: null },
    /** @type {View | null} */ shown: null,
    folded: true,
    focused: false,
    kernel: true,
    dismissed: 0,
    captureId: -1,
    runningSince: 0,
    draws: 0,
    pins: "",
    picture: "",
  };
  /** @type {import("./types.js").Look | null} */
  let look = null;
  let scheduled = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let ticking;

  const actions = {
    set(/** @type {Partial<Traits>} */ values) {
      local.dismissed = state.traits().error.id ?? 0;
      saving.failed = null;
      if ("find" in values) local.hover = null; // what the last search lit
      state.set(values);
      if (values.query || values.key) local.pins = pinsOf(state.traits()); // what was pinned here is in sight
      schedule();
    },
    light: (/** @type {number | null} */ litHead) => change({ litHead }),
    fold: () => change({ folded: !local.folded }),
    edit(/** @type {Partial<import("./controls/text-input.js").Draft>} */ draft) {
      local.draft = { ...local.draft, ...draft };
      schedule();
    },
    run() {
      const { text, pair } = state.traits();
      actions.set({ text: local.draft.text ?? text, pair: local.draft.pair ?? pair });
      local.draft = { text: null, pair: null };
    },
    cancel: () => (saving.pending ? saving : store).cancel(),
    save(/** @type {string} */ format) {
      const { view, method, layer } = state.traits();
      if (look) saving.save(format, local.shown?.surface, look, `${view}-${method}-layer-${layer}`);
    },
    retry: () => store.retry(),
    setBaseline: (/** @type {boolean} */ baseline) => actions.set({ baseline }),
    /** The next token that was searched for, or the one before. @param {number} step */
    next(step) {
      const frame = store.shown;
      const at = frame && nextMatch(frame, state.traits().find, local.hover, step);
      if (!at) return;
      local.shown?.reveal?.(at.index);
      change({ hover: at });
    },
    toggleScale: () => local.shown?.toggleScale?.(),
    choose: (/** @type {string} */ name, /** @type {string} */ value) =>
      local.shown?.choose?.(name, value),
  };

  state.onChange((names) => {
    if (names.has("theme")) look = null;
    schedule();
  });
  state.onMessage((message, buffers) => {
    requester.receive(message, buffers);
    besides.receive(message, buffers);
  });
  watchTheme(() => {
    look = null;
    schedule();
  }, signal);
  const observer = new ResizeObserver(schedule);
  observer.observe(shell.host);
  shell.stage.addEventListener("keydown", onKey, { signal });
  for (const type of ["focusin", "focusout"]) {
    const onFocus = () => change({ focused: shell.stage.matches(":focus-visible") });
    shell.stage.addEventListener(type, onFocus, { signal });
  }
  const unanswered = setTimeout(() => change({ kernel: false }), KERNEL_WITHIN_MS);
  const answered = () => {
    clearTimeout(unanswered);
    change({ kernel: true });
  };
  requester.ask("hello", {}, { reply: answered, fail: answered });
  signal.addEventListener("abort", () => {
    cancelAnimationFrame(scheduled);
    clearTimeout(ticking);
    clearTimeout(unanswered);
    observer.disconnect();
    requester.close();
    besides.close();
    shell.host.remove();
  });
  schedule();

  /** @param {Partial<typeof local>} values */
  function change(values) {
    Object.assign(local, values);
    schedule();
  }

  function schedule() {
    if (!scheduled && !signal.aborted) scheduled = requestAnimationFrame(update);
  }

  function update() {
    scheduled = 0;
    const width = shell.below.clientWidth; // a part that is always there: what the paddings leave
    if (width <= 0) return;
    const traits = state.traits();
    look ??= resolve(shell.host, shell.root, traits.theme);
    if (look.ratio !== window.devicePixelRatio)
      look = { ...look, ratio: window.devicePixelRatio || 1 };
    if (local.captureId !== traits.capture_id) {
      local.captureId = traits.capture_id;
      local.hover = null;
      store.forget();
      detail.forget();
    }
    const dead = traits.error.where === "run";
    if (traits.views.includes(traits.view) && !dead) ask(traits);

    const narrow = width < NARROW;
    shell.root.classList.toggle("narrow", narrow);
    const said = dead ? null : drawn(traits, look, width);
    const frame = said ? store.shown : null;
    if (frame?.view === traits.view && store.complete && local.pins !== pinsOf(traits))
      reveal(traits, frame);
    const now = performance.now();
    local.runningSince = traits.running ? local.runningSince || now : 0;
    const { work, again } = workOf(
      saving.pending ? saving : store,
      traits,
      local.runningSince,
      now,
    );
    clearTimeout(ticking);
    if (again !== null) ticking = setTimeout(schedule, again);
    const found = frame && traits.find.trim() ? matchesOf(frame, traits.find) : null;
    const noMatch = found?.length === 0;
    const matches = found && { count: found.length, at: placeOf(found, local.hover) };

    const options = (frame && local.shown?.options?.(frame)) || [];
    const tried = dead ? [] : [steps(traits, actions), ablation(traits)];
    const failing = saving.failed ? saving : store;
    const failure = local.hover || dead ? null : failureOf(failing, traits, local.dismissed);
    const tooNarrow = !said && !!store.shown && width < NARROWEST;
    const notice = noticeOf({
      traits,
      noMatch,
      hasPicture: !!frame,
      tooNarrow,
      kernel: local.kernel,
    });
    const around = {
      traits,
      width,
      narrow,
      dead,
      matches,
      look,
      options,
      tried,
      said,
      frame,
      failure,
      notice,
    };
    surround(shell, { ...around, work, ...local }, actions);
  }

  /** Ask for what these traits show. @param {Traits} traits */
  function ask(traits) {
    const spec = requestOf(traits);
    store.want(spec);
    // The kernel remembers joint matrices: once all thumbnails are there, the chosen one costs nothing more.
    if (traits.view === "model" && (keepsHeads(traits.method) || store.complete))
      detail.want({ ...spec, view: "matrix" });
  }

  /** Draw what is there. @param {Traits} traits @param {import("./types.js").Look} look @param {number} width @returns {Said | null} */
  function drawn(traits, look, width) {
    const frame = store.shown;
    const fits = width >= NARROWEST || frame?.view === "matrix" || frame?.view === "text";
    const view = frame && fits ? viewOf(frame.view) : null;
    shell.show(view?.element ?? null);
    local.shown = view;
    if (!frame || !view) return null;
    const beside = frame.view === "model" ? detail : null;
    const exact = (beside ?? store).exact.bind(beside ?? store);
    const said = view.draw({
      frame,
      traits,
      look,
      width,
      hover: local.hover,
      focused: local.focused,
      litHead: local.litHead,
      detail: beside?.shown ?? null,
      exact: (side, index) => exact(beside?.shown ?? frame, side, index),
      finer: (wanted, wider) => store.finer(frame, wanted, wider),
    });
    mark(view, frame, said);
    const needs = said.reading?.needs ?? [];
    const read = beside ? beside.shown : frame;
    if (read && store.complete && read.capture_id === traits.capture_id)
      (beside ?? store).wantRows(read, needs);
    return said;
  }

  /** Say on the surface what was drawn: tests and screen readers look there. @param {View} view @param {import("./types.js").Frame} frame @param {Said} said */
  function mark({ surface }, frame, said) {
    const { view, method, layer, head, attention } = frame.spec;
    const { capture_id } = frame;
    if (local.picture !== store.shownKey) shell.fade(surface);
    local.picture = store.shownKey;
    const picture = { view, method, layer, head, attention, capture_id, complete: store.complete };
    surface.dataset.frame = JSON.stringify(picture);
    surface.dataset.ready = String(++local.draws);
    surface.setAttribute("aria-label", said.label);
  }

  /** @param {string} name @returns {View | null} */
  function viewOf(name) {
    const make = VIEWS[/** @type {keyof typeof VIEWS} */ (name)];
    if (!views.has(name) && make)
      views.set(name, make({ onHover, onPin, onRedraw: schedule }, signal));
    return views.get(name) ?? null;
  }

  /** @param {import("./types.js").Target | null} target */
  function onHover(target) {
    if (sameTarget(target, local.hover)) return;
    local.hover = target;
    schedule();
  }

  /** @param {import("./types.js").Target} target @param {boolean} several */
  function onPin(target, several) {
    if ("layer" in target) {
      actions.set(
        target.head === null ? { layer: target.layer } : { layer: target.layer, head: target.head },
      );
      return;
    }
    const frame = store.shown?.view === "model" ? detail.shown : store.shown;
    if (frame) actions.set(pinned(target, several, frame.queries, frame.keys, state.traits()));
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const values = local.shown?.press?.(event.key)
      ? {}
      : pressed(event, state.traits(), store.shown);
    if (!values) return;
    event.preventDefault();
    if (!Object.keys(values).length) return;
    local.hover = null;
    actions.set(values);
    if (store.shown && (values.query || values.key)) reveal(state.traits(), store.shown);
  }

  /** Bring the pinned token into the window. @param {Traits} traits @param {import("./types.js").Frame} frame */
  function reveal(traits, { queries, keys }) {
    local.pins = pinsOf(traits);
    const { query, key } = traits;
    const [row] = query.length ? rowsOf(queries, query) : rowsOf(keys, key);
    if (row !== undefined) local.shown?.reveal?.(row);
  }
}

/** @param {Traits} traits */
const pinsOf = ({ view, query, key }) => JSON.stringify([view, query, key]);
