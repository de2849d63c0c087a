// One view of the widget, put together: traits and messages come in, one update per frame goes out.
import { html, nothing, render } from "lit-html";
import { caption, side } from "./caption.js";
import { controls } from "./controls.js";
import { pressed } from "./keys.js";
import { readout, runFailure, spoken } from "./readout.js";
import { Requester } from "./requester.js";
import { found } from "./find.js";
import { pinned, rowsOf } from "./selection.js";
import { specOf } from "./spec.js";
import { createShell } from "./shell.js";
import { createState } from "./state.js";
import { Store } from "./store.js";
import { textboxes } from "./textbox.js";
import { resolve, watchTheme } from "./theme.js";
import { headView } from "./views/head.js";
import { matrixView } from "./views/matrix.js";
import { sameTarget } from "./views/pointer.js";

/** @typedef {import("./types.js").Traits} Traits */
/** @typedef {import("./types.js").Said} Said */
/** @typedef {import("./types.js").View} View */

const VIEWS = { head: headView, matrix: matrixView };
const NARROW = 600;
const NARROWEST = 360; // below, only the matrix and the text can be read
const WORKING_AFTER_MS = 150;
const KERNEL_WITHIN_MS = 2000;

/**
 * @param {any} model anywidget's model
 * @param {HTMLElement} el where the host wants it
 * @param {AbortSignal} signal when it fires, everything here ends
 */
export function mount(model, el, signal) {
  const state = createState(model, signal);
  const requester = new Requester(state.send);
  const store = new Store(requester, schedule);
  const shell = createShell(el, signal);
  /** @type {Map<string, View>} */
  const views = new Map();
  const local = {
    /** @type {import("./types.js").Target | null} */ hover: null,
    /** @type {number | null} */ litHead: null,
    /** @type {import("./textbox.js").Draft} */ draft: { text: null, pair: null },
    /** @type {string | undefined} */ shownView: undefined,
    folded: true,
    focused: false,
    kernel: true,
    dismissed: 0,
    captureId: -1,
    runningSince: 0,
    draws: 0,
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
      state.set(values);
      schedule();
    },
    light: change("litHead"),
    fold: () => change("folded")(!local.folded),
    edit(/** @type {Partial<import("./textbox.js").Draft>} */ draft) {
      local.draft = { ...local.draft, ...draft };
      schedule();
    },
    run() {
      const { text, pair } = state.traits();
      actions.set({ text: local.draft.text ?? text, pair: local.draft.pair ?? pair });
      local.draft = { text: null, pair: null };
    },
    cancel: () => store.cancel(),
    retry: () => store.retry(),
    setBaseline: (/** @type {boolean} */ baseline) => actions.set({ baseline }),
    toggleScale: () => local.shownView && views.get(local.shownView)?.toggleScale?.(),
  };

  state.onChange((names) => {
    if (names.has("theme")) look = null;
    schedule();
  });
  state.onMessage((message, buffers) => requester.receive(message, buffers));
  watchTheme(() => {
    look = null;
    schedule();
  }, signal);
  const observer = new ResizeObserver(schedule);
  observer.observe(shell.host);
  shell.stage.addEventListener("keydown", onKey, { signal });
  for (const type of ["focusin", "focusout"]) {
    shell.stage.addEventListener(type, () => change("focused")(shell.stage.matches(":focus-visible")), {
      signal,
    });
  }
  const answered = setTimeout(() => change("kernel")(false), KERNEL_WITHIN_MS);
  requester.ask("hello", {}, { reply: () => greet(), fail: () => greet() });
  function greet() {
    clearTimeout(answered);
    change("kernel")(true);
  }
  signal.addEventListener("abort", () => {
    cancelAnimationFrame(scheduled);
    clearTimeout(ticking);
    clearTimeout(answered);
    observer.disconnect();
    requester.close();
    shell.host.remove();
  });
  schedule();

  /** @template {keyof typeof local} K @param {K} name */
  function change(name) {
    return (/** @type {(typeof local)[K]} */ value) => {
      if (local[name] === value) return;
      local[name] = value;
      schedule();
    };
  }

  function schedule() {
    if (!scheduled && !signal.aborted) scheduled = requestAnimationFrame(update);
  }

  function update() {
    scheduled = 0;
    const width = Math.floor(shell.root.clientWidth) - 2;
    if (width <= 0) return;
    const traits = state.traits();
    look ??= resolve(shell.host, shell.root, traits.theme);
    if (look.ratio !== window.devicePixelRatio) look = { ...look, ratio: window.devicePixelRatio || 1 };
    if (local.captureId !== traits.capture_id) {
      local.captureId = traits.capture_id;
      local.hover = null;
      store.forget();
    }
    const failedRun = traits.error.where === "run";
    if (traits.views.includes(traits.view) && !failedRun) store.want(specOf(traits));

    const narrow = width < NARROW;
    const said = failedRun ? null : drawn(traits, width);
    const frame = said ? store.shown : null;
    const working = workingOn(traits);
    shell.root.classList.toggle("narrow", narrow);
    const noMatch =
      !!frame &&
      !!traits.find.trim() &&
      !found(frame.queries, traits.find).size &&
      !found(frame.keys, traits.find).size;
    render(
      controls(
        {
          traits,
          narrow,
          folded: local.folded,
          dead: failedRun,
          noMatch,
          progress: working?.share ?? null,
          look,
        },
        actions,
      ),
      shell.controls,
    );
    render(textboxes(traits, local.draft, actions), shell.texts);
    render(failedRun ? runFailure(traits.error) : nothing, shell.message);
    shell.stage.hidden = failedRun;
    const hasSide =
      !!said && (!!said.strongest || !!said.note || (!!said.legend && local.shownView === "matrix"));
    shell.stage.toggleAttribute("data-side", hasSide && !narrow);
    render(said && hasSide ? side(said, actions) : nothing, shell.side);
    const failure = local.hover || failedRun ? null : failureOf(traits);
    const reading = said?.reading ?? null;
    render(
      failedRun
        ? nothing
        : html`${readout(
            {
              reading,
              failure,
              still: frame && failure ? `Still showing ${frame.layer_label}.` : null,
              working: local.hover ? null : working,
              notice: noticeOf(traits, noMatch, !!frame, width),
              narrow,
              legend: said?.legend ?? null,
            },
            actions,
          )}${caption(said, frame, narrow, actions)}`,
      shell.below,
    );
    shell.say(spoken(reading));
  }

  /** Draw what is there. @param {Traits} traits @param {number} width @returns {Said | null} */
  function drawn(traits, width) {
    const frame = store.shown;
    if (!frame || !look || (width < NARROWEST && frame.view !== "matrix" && frame.view !== "text")) {
      shell.show(null);
      return null;
    }
    const view = viewOf(frame.view);
    if (!view) return null;
    shell.show(view.element);
    local.shownView = frame.view;
    const said = view.draw({
      frame,
      traits,
      look,
      width,
      hover: local.hover,
      focused: local.focused,
      litHead: local.litHead,
      exact: (side, index) => store.exact(frame, side, index),
    });
    const { view: name, method, layer, head, attention } = frame.spec;
    const picture = {
      view: name,
      method,
      layer,
      head,
      attention,
      capture_id: frame.capture_id,
      complete: store.complete,
    };
    if (local.picture !== store.shownKey) shell.fade(view.canvas);
    local.picture = store.shownKey;
    view.canvas.dataset.frame = JSON.stringify(picture);
    view.canvas.dataset.ready = String(++local.draws);
    view.canvas.setAttribute("aria-label", said.label);
    if (store.complete && frame.capture_id === traits.capture_id)
      store.wantRows(frame, said.reading?.needs ?? []);
    return said;
  }

  /** @param {string} name @returns {View | null} */
  function viewOf(name) {
    let view = views.get(name);
    const make = VIEWS[/** @type {keyof typeof VIEWS} */ (name)];
    if (!view && make) {
      view = make({ onHover, onPin, onRedraw: schedule }, signal);
      views.set(name, view);
    }
    return view ?? null;
  }

  /** @param {import("./types.js").Target | null} target */
  function onHover(target) {
    if (sameTarget(target, local.hover)) return;
    local.hover = target;
    schedule();
  }

  /** @param {import("./types.js").Target} target @param {boolean} several */
  function onPin(target, several) {
    const frame = store.shown;
    if (frame) actions.set(pinned(target, several, frame.queries, frame.keys, state.traits()));
  }

  /** @param {KeyboardEvent} event */
  function onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const view = local.shownView ? views.get(local.shownView) : null;
    const ours = view?.press?.(event.key);
    const values = ours ? {} : pressed(event, state.traits(), store.shown);
    if (!values) return;
    event.preventDefault();
    if (!Object.keys(values).length) return;
    local.hover = null;
    actions.set(values);
    const positions = values.query?.length ? values.query : values.key;
    if (positions?.length && store.shown) {
      view?.reveal?.(rowsOf(values.query?.length ? store.shown.queries : store.shown.keys, positions)[0]);
    }
  }

  /** What is being computed, once it takes long enough to be said. @param {Traits} traits */
  function workingOn(traits) {
    clearTimeout(ticking);
    const now = performance.now();
    local.runningSince = traits.running ? local.runningSince || now : 0;
    const since = store.pending?.since ?? local.runningSince;
    if (!since) return null;
    ticking = setTimeout(
      schedule,
      now - since < WORKING_AFTER_MS ? WORKING_AFTER_MS - (now - since) + 5 : 200,
    );
    if (now - since < WORKING_AFTER_MS) return null;
    const elapsed = now - since;
    if (traits.running) return { what: traits.running, done: 0, total: 0, elapsed, share: null };
    const progress = store.pending?.progress;
    const { what = traits.method, done = 0, total = 0 } = progress ?? {};
    return { what, done, total, elapsed, share: total ? done / total : null };
  }

  /** @param {Traits} traits */
  function failureOf(traits) {
    if (store.failed) return store.failed.failure;
    const { error } = traits;
    if (error.where !== "request" || !error.message || (error.id ?? 0) <= local.dismissed) return null;
    return { name: error.name ?? "Error", message: error.message, remedy: error.remedy, code: error.code };
  }

  /** @param {Traits} traits @param {boolean} noMatch @param {boolean} hasFrame @param {number} width */
  function noticeOf(traits, noMatch, hasFrame, width) {
    if (noMatch) return `no token contains “${traits.find.trim()}”`;
    if (!hasFrame && store.shown && width < NARROWEST)
      return "At this width only the matrix and the text can be shown.";
    if (!hasFrame && !local.kernel)
      return "The kernel does not answer: it is busy, or gone. Run the cell again to see the picture.";
    return hasFrame ? null : " ";
  }
}
