// The still picture that stands beside a live view in the outputs of a notebook, for where the view is not live
// (attn_widget/pages/outputs.py). It is found and hidden once the view has drawn.

const LOOK_AFTER_MS = 5000; // the picture comes after the view, but with the same reply

/**
 * @param {() => import("../types.js").Still} known
 * @param {HTMLElement} el the host's element for this view
 * @param {() => void} onMissing the page has no such picture: the host shows it elsewhere, or not at all
 * @param {AbortSignal} signal when it fires, the picture is shown again
 * @returns {() => void} hides the picture
 */
export function stillOf(known, el, onMissing, signal) {
  let isHidden = false;

  /** Hide the next image, if it is the picture: a host may have written the file to an address of its own. */
  function hideNext() {
    const image = imageAfter(el);
    if (!image || signal.aborted) return false;
    if (!image.complete) image.addEventListener("load", hideNext, { once: true, signal });
    const { naturalWidth: width, naturalHeight: height } = image;
    const { sizes = [] } = known();
    if (!sizes.some(([w, h]) => w === width && h === height)) return false;
    image.style.setProperty("display", "none", "important");
    signal.addEventListener("abort", () => image.style.removeProperty("display"));
    return true;
  }

  return function hide() {
    const { mark } = known();
    if (isHidden || !mark || signal.aborted) return;
    isHidden = true;
    const page = el.ownerDocument;
    const marked = `img[src*="${mark}"]`;
    // Not an element with a style: a strict content policy refuses those.
    const { CSSStyleSheet } = /** @type {typeof globalThis} */ (page.defaultView ?? window);
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`${marked} { display: none !important }`);
    page.adoptedStyleSheets = [...page.adoptedStyleSheets, sheet];
    hideNext();
    const look = setTimeout(() => {
      if (el.isConnected && !page.querySelector(marked) && !hideNext()) onMissing();
    }, LOOK_AFTER_MS);
    signal.addEventListener("abort", () => {
      clearTimeout(look);
      page.adoptedStyleSheets = page.adoptedStyleSheets.filter((one) => one !== sheet);
    });
  };
}

/** The first image of the page that comes after an element. @param {HTMLElement} el */
function imageAfter(el) {
  /** @type {Node} */
  let place = el;
  for (let root = place.getRootNode(); root instanceof ShadowRoot; root = place.getRootNode())
    place = root.host;
  const follows = (/** @type {Node} */ node) =>
    place.compareDocumentPosition(node) & Node.DOCUMENT_POSITION_FOLLOWING;
  // An image that is itself a widget, or in one, is not an output.
  const isOutput = (/** @type {Element} */ image) => !image.closest(".jupyter-widgets");
  return [...el.ownerDocument.images].find((image) => follows(image) && isOutput(image));
}
