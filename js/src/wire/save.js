// Saving the picture as a file: PNG from the canvas, other formats from the kernel or the static
// page.

/** @typedef {import("../view-types.js").Look} Look */

const MARGIN = 16;

export class Saving {
  /** @type {import("./frames.js").Pending | null} */
  pending = null;
  /** @type {{ key: string, failure: import("../types.js").Failure } | null} */
  failed = null;

  /**
   * @param {import("./requests.js").Requester} requester
   * @param {() => void} onChange
   */
  constructor(requester, onChange) {
    this.requester = requester;
    this.onChange = onChange;
  }

  /**
   * @param {string} format png, svg or html
   * @param {HTMLElement | undefined} surface
   * @param {Look} look
   * @param {string} name of the file, without its ending
   */
  save(format, surface, look, name) {
    this.failed = null;
    if (format === "png" && surface instanceof HTMLCanvasElement) {
      withMargin(surface, look).toBlob((blob) => blob && download(blob, `${name}.png`));
      return;
    }
    this.pending = { key: "", since: performance.now(), progress: null };
    this.requester.request(
      "export",
      { format, theme: look.dark ? "dark" : "light" },
      {
        reply: (data, buffers) => {
          this.pending = null;
          download(new Blob(buffers, { type: data.mime }), `${name}.${format}`);
          this.onChange();
        },
        progress: (progress) => {
          if (this.pending) this.pending.progress = progress;
          this.onChange();
        },
        fail: (failure) => this.#fail(failure),
      },
    );
    this.onChange();
  }

  cancel() {
    this.requester.cancel("export");
    this.#fail({ name: "Stopped", message: "Nothing was saved.", remedy: null });
  }

  /** @param {import("../types.js").Failure} failure */
  #fail(failure) {
    this.pending = null;
    this.failed = { key: "", failure };
    this.onChange();
  }
}

/**
 * The canvas with a margin and its label below.
 * @param {HTMLCanvasElement} canvas
 * @param {Look} look
 */
export function withMargin(canvas, look) {
  const { ratio } = look;
  const sheet = document.createElement("canvas");
  sheet.width = canvas.width + 2 * MARGIN * ratio;
  sheet.height = canvas.height + 4 * MARGIN * ratio;
  const ctx = /** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d"));
  ctx.fillStyle = look.paper;
  ctx.fillRect(0, 0, sheet.width, sheet.height);
  ctx.drawImage(canvas, MARGIN * ratio, MARGIN * ratio);
  ctx.fillStyle = look.ink2;
  ctx.font = `${12 * ratio}px ${look.font}`;
  const label = canvas.getAttribute("aria-label") ?? "";
  ctx.fillText(label, MARGIN * ratio, sheet.height - MARGIN * ratio, canvas.width);
  return sheet;
}

/** @param {Blob} blob @param {string} name */
function download(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}
