// Light or dark, and the resolved colours: canvases do not follow CSS by themselves.
import { luminance, parseCss } from "../paint/color.js";

/** @typedef {import("../view-types.js").Look} Look */

const WATCHED = [
  "class",
  "style",
  "theme",
  "data-theme",
  "data-jp-theme-light",
  "data-vscode-theme-kind",
];

/**
 * Set the theme on the host element and return what canvases need to know.
 * @param {HTMLElement} host
 * @param {HTMLElement} inside an element of the shadow root that CSS applies to
 * @param {string} theme auto, light or dark
 * @returns {Look}
 */
export function resolve(host, inside, theme) {
  const explicit = theme === "light" || theme === "dark";
  const dark = explicit ? theme === "dark" : hostIsDark(host);
  const wanted = dark ? "dark" : "light";
  if (host.dataset.theme !== wanted) host.dataset.theme = wanted;
  host.toggleAttribute("data-explicit", explicit);
  const style = getComputedStyle(inside);
  const colour = (/** @type {string} */ name) =>
    style.getPropertyValue(`--aw-${name}`).trim() || "#888888";
  return {
    dark,
    paper: colour("paper"),
    ink: colour("ink"),
    ink2: colour("ink-2"),
    ink3: colour("ink-3"),
    rule: colour("rule"),
    rule2: colour("rule-2"),
    fill: colour("fill"),
    accent: colour("accent"),
    hatch: colour("hatch"),
    font: style.fontFamily,
    ratio: window.devicePixelRatio || 1,
  };
}

/**
 * Call back when the page's theme may have changed.
 * @param {() => void} callback
 * @param {AbortSignal} signal
 */
export function watchTheme(callback, signal) {
  const observer = new MutationObserver(() => {
    callback();
    setTimeout(callback, 300); // hosts set the attribute first and load the style sheet after
  });
  for (const element of [document.documentElement, document.body]) {
    if (element) observer.observe(element, { attributes: true, attributeFilter: WATCHED });
  }
  const media = matchMedia("(prefers-color-scheme: dark)");
  media.addEventListener("change", callback, { signal });
  signal.addEventListener("abort", () => observer.disconnect());
}

/** @param {HTMLElement} host */
function hostIsDark(host) {
  const style = getComputedStyle(host);
  for (const name of ["--jp-layout-color0", "--vscode-editor-background"]) {
    const paper = lightness(style.getPropertyValue(name).trim());
    if (paper !== null) return paper < 0.4;
  }
  const colab = document.documentElement.getAttribute("theme");
  if (colab) return colab === "dark";
  for (let at = /** @type {Node | null} */ (host); at; at = parentOf(at)) {
    if (!(at instanceof Element)) continue;
    const found = parseCss(getComputedStyle(at).backgroundColor);
    if (found && found[3] > 0.5) return luminance([found[0], found[1], found[2]]) < 0.18;
  }
  const canvas = lightness("Canvas"); // follows color-scheme
  return canvas !== null && canvas < 0.4;
}

/** @param {Node} node */
const parentOf = (node) => node.parentNode ?? (node instanceof ShadowRoot ? node.host : null);

/**
 * How light a CSS colour is, 0 to 1; null where it is none.
 * @param {string} colour
 */
function lightness(colour) {
  if (!colour) return null;
  const probe = document.createElement("i");
  probe.style.cssText = `display:none;color:${colour}`;
  document.body.append(probe); // beside a shadow root an element has no style at all
  const found = parseCss(getComputedStyle(probe).color);
  probe.remove();
  return found && Math.cbrt(luminance([found[0], found[1], found[2]]));
}
