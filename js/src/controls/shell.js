// The fixed elements of one view of the widget: a host element, its shadow root, and the parts that
// are rendered into.
import { css } from "./styles.js";

/**
 * @param {HTMLElement} el the host's element for this view
 * @param {AbortSignal} signal
 */
export function createShell(el, signal) {
  const host = document.createElement("div");
  host.className = "attn-widget";
  // Keys pressed here must not reach the notebook's shortcuts: Jupyter looks for this attribute,
  // others for the event.
  host.setAttribute("data-lm-suppress-shortcuts", "true");
  for (const type of ["keydown", "keypress", "keyup"]) {
    host.addEventListener(type, (event) => event.stopPropagation(), { signal });
  }
  const shadow = host.attachShadow({ mode: "open" });
  // A sheet of the document that the view is in, and not an element: a strict policy refuses those.
  const { CSSStyleSheet } = /** @type {typeof globalThis} */ (
    el.ownerDocument.defaultView ?? window
  );
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(css);
  shadow.adoptedStyleSheets = [sheet];
  const part = (/** @type {string} */ name) => {
    const element = document.createElement("div");
    element.className = name;
    return element;
  };
  const root = part("aw");
  const [controls, texts, message, stage, side, below] = [
    "head",
    "input",
    "failure",
    "stage",
    "beside",
    "below",
  ].map(part);
  stage.tabIndex = 0;
  stage.setAttribute("role", "application");
  stage.setAttribute("aria-roledescription", "attention picture");
  stage.setAttribute(
    "aria-label",
    "Arrows move the pinned token, Shift and arrows layer and head, Escape releases.",
  );
  const live = part("quiet");
  live.setAttribute("role", "status");
  live.setAttribute("aria-live", "polite");
  stage.append(side);
  root.append(controls, texts, message, stage, below, live);
  shadow.append(root);
  el.append(host);

  /** @type {HTMLElement | null} */
  let shown = null;
  return {
    host,
    root,
    controls,
    texts,
    message,
    stage,
    side,
    below,
    /** Put a view on the stage. @param {HTMLElement | null} element */
    show(element) {
      if (element === shown) return;
      stage.toggleAttribute("data-text", !!element?.classList.contains("text"));
      shown?.remove();
      if (element) stage.prepend(element);
      shown = element;
    },
    /** A short fade where the picture became another one. @param {HTMLElement} element */
    fade(element) {
      element.classList.remove("fade");
      void element.offsetWidth; // restarts the animation
      element.classList.add("fade");
    },
    /** Announce to screen readers. @param {string} text */
    announce(text) {
      if (text && live.textContent !== text) live.textContent = text;
    },
  };
}
