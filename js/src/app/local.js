// State of one view of the widget alone. Neither Python nor another view knows it; it ends with the
// view.

/** @typedef {import("../view-types.js").Look} Look */
/** @typedef {import("../view-types.js").Target} Target */
/** @typedef {import("../view-types.js").View} View */

/**
 * @typedef {Object} Local
 * @property {Target | null} hover what the pointer is on, or the last match of the search
 * @property {number | null} litHead the head whose toggle is hovered
 * @property {import("../controls/text-input.js").Draft} draft what is typed and not run yet
 * @property {View | null} view the view on the stage
 * @property {Look | null} look resolved colours; null = resolve them at the next update
 * @property {boolean} folded the filters are hidden (narrow pages only)
 * @property {boolean} focused the stage has the keyboard
 * @property {boolean} kernelReplies false once the kernel has not replied for a while
 * @property {string} notKept why this page cannot draw what the host kept; "" where it can
 * @property {number} dismissed id of the last error that the user has read
 * @property {number} captureId of the frames that are kept
 * @property {number} runningSince ms; 0 while the model does not run
 * @property {number} updates how often the stage was drawn
 * @property {string} revealedPins the pins that were last brought into the viewport
 * @property {string} picture the key of the frame that was last drawn
 */

/** @returns {Local} */
export const createLocal = () => ({
  hover: null,
  litHead: null,
  draft: { text: null, pair: null },
  view: null,
  look: null,
  folded: true,
  focused: false,
  kernelReplies: true,
  notKept: "",
  dismissed: 0,
  captureId: -1,
  runningSince: 0,
  updates: 0,
  revealedPins: "",
  picture: "",
});

/**
 * What the files of this folder share: the parts of one view of the widget.
 * @typedef {Object} Parts
 * @property {import("../wire/traits.js").State} state
 * @property {import("../wire/frames.js").Store} store the frame on the stage
 * @property {import("../wire/frames.js").Store} detail the head beside the model view
 * @property {import("../wire/save.js").Saving} saving
 * @property {ReturnType<typeof import("../controls/shell.js").createShell>} shell
 * @property {Local} local
 * @property {(values?: Partial<Local>) => void} change set some of `local` and schedule an update
 */
