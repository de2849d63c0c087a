// What a view is given and what it returns, as JSDoc only.

/** @typedef {import("./types.js").Frame} Frame */
/** @typedef {import("./types.js").Part} Part */
/** @typedef {import("./types.js").Row} Row */
/** @typedef {import("./types.js").Side} Side */
/** @typedef {import("./types.js").Traits} Traits */
/** @typedef {import("./types.js").Wanted} Wanted */

/**
 * What the pointer is on: a token of one side, one pair (in the neuron view with a channel; with a `span` a block of
 * pairs and the largest `value` in it), or a thumbnail.
 * @typedef {{ side: Side, index: number } | { query: number, key: number, lane?: number, channel?: number, span?: number, value?: number }
 *   | { layer: number, head: number | null }} Target
 */

/**
 * Resolved colours and fonts; canvases do not follow CSS by themselves.
 * @typedef {Object} Look
 * @property {boolean} dark
 * @property {string} paper
 * @property {string} ink
 * @property {string} ink2
 * @property {string} ink3
 * @property {string} rule
 * @property {string} rule2
 * @property {string} fill
 * @property {string} accent
 * @property {string} hatch
 * @property {string} font
 * @property {number} ratio device pixels per CSS pixel
 */

/**
 * What a view draws from. Nothing else reaches it.
 * @typedef {Object} Scene
 * @property {Frame} frame
 * @property {Traits} traits
 * @property {Look} look
 * @property {number} width CSS pixels
 * @property {Target | null} hover
 * @property {boolean} focused the stage has the keyboard
 * @property {number | null} litHead the head whose square is hovered
 * @property {Frame | null} detail the matrix beside the model view
 * @property {(side: Side, index: number) => Row | null} exact the exact row, where it has come
 * @property {(wanted: Wanted, wider?: Wanted) => Part | null} finer the finer part, or what there is of it; what is missing is
 *   asked for
 */

/**
 * What a view says about what it drew: plain data, put into words by readout.js and caption.js.
 * @typedef {Object} Said
 * @property {Reading | null} reading
 * @property {string[]} caption sentences
 * @property {{ drawn: number, all: number } | null} mass
 * @property {Legend | null} legend
 * @property {number | null} [saturation] of what is read, where the frame holds several
 * @property {boolean} [legendBeside] the legend stands beside the picture, not in the readout
 * @property {Strongest | null} [strongest]
 * @property {string} [note]
 * @property {string} label for the canvas, read by screen readers
 */

/**
 * @typedef {Object} Reading
 * @property {string} [title] what is read, where that is not a pair in the first place
 * @property {string[]} queries the tokens that ask
 * @property {string[]} keys the tokens that answer
 * @property {string} where layer, or layers
 * @property {{ name: string, colour: string } | null} head
 * @property {number} value
 * @property {boolean} exact
 * @property {string} unit
 * @property {{ side: Side, index: number }[]} [needs] rows whose exact numbers the reading waits for
 * @property {string[]} notes bound, rank
 */

/**
 * @typedef {Object} Legend
 * @property {string} name
 * @property {string[]} marks
 * @property {string[]} stops CSS colours, first to last
 * @property {boolean} canRoot a click switches between linear and square root
 */

/**
 * @typedef {Object} Strongest
 * @property {string} token
 * @property {string} verb
 * @property {boolean} [after] the verb follows the token
 * @property {{ text: string, position: number, value: number, share: number, index: number }[]} rows
 * @property {string} colour
 * @property {boolean} exact
 */

/**
 * A choice that only one view has, shown as a select among the filters.
 * @typedef {Object} Option
 * @property {string} name
 * @property {string[]} choices
 * @property {string} value
 */

/**
 * @typedef {Object} Callbacks
 * @property {(target: Target | null) => void} onHover
 * @property {(target: Target, several: boolean) => void} onPin
 * @property {() => void} onRedraw the view changed something of its own (scroll, zoom)
 */

/**
 * @typedef {Object} View
 * @property {(scene: Scene) => Said} draw
 * @property {HTMLElement} element
 * @property {HTMLElement} surface what carries `data-ready` and `data-frame`
 * @property {(frame: Frame) => Option[]} [options] choices of this view alone
 * @property {(name: string, value: string) => void} [choose]
 * @property {(key: string) => boolean} [press] a key that only this view understands
 * @property {() => void} [toggleScale] linear or square-root colours
 * @property {(index: number) => void} [reveal] bring a row into the window
 */

export {};
