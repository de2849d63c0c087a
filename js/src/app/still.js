// The still picture that stands beside a live view in the outputs of a notebook, for where the view is not live.
// Its bytes contain a mark (attn_widget/pages/outputs.py), by which it is found and hidden once the view has drawn.

const LOOK_AFTER_MS = 5000; // the picture comes after the view, but with the same reply

/**
 * @param {string} mark
 * @param {HTMLElement} el the host's element for this view
 * @param {() => void} onMissing the page has no such picture: the host shows it elsewhere, or not at all
 * @param {AbortSignal} signal when it fires, the picture is shown again
 * @returns {() => void} hides the picture
 */
export function stillOf(mark, el, onMissing, signal) {
  let isHidden = false;
  return function hide() {
    if (isHidden || !mark || signal.aborted) return;
    isHidden = true;
    const page = el.ownerDocument;
    const image = `img[src*="${mark}"]`;
    // Not an element with a style: a strict content policy refuses those.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(`${image} { display: none !important }`);
    page.adoptedStyleSheets = [...page.adoptedStyleSheets, sheet];
    const look = setTimeout(() => {
      if (el.isConnected && !page.querySelector(image)) onMissing();
    }, LOOK_AFTER_MS);
    signal.addEventListener("abort", () => {
      clearTimeout(look);
      page.adoptedStyleSheets = page.adoptedStyleSheets.filter((one) => one !== sheet);
    });
  };
}
