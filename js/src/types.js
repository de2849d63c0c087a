// What crosses the wire and what passes between modules, as JSDoc only. Twin of attn_widget/widget/widget.py
// and attn_widget/pictures/protocol.py; a Python test compares the names.

/**
 * The synced traits: one property per line, exactly those of the Python widget.
 * @typedef {Object} Traits
 * @property {string} view which of `views` is drawn
 * @property {string} method which of `methods`
 * @property {number} layer 0 nearest the input
 * @property {number[]} heads the heads that are on
 * @property {number} head the one head of the matrix and neuron views
 * @property {number} part which window, picture or frame of the layers that have several, from 0
 * @property {number[]} query pinned query positions (tokens, not displayed rows)
 * @property {number[]} key pinned key positions
 * @property {string} attention one of the names in `info.groups`
 * @property {number} residual share of the residual in joint matrices, 0 to 1
 * @property {string} reduce how heads are joined: mean, max or min
 * @property {boolean} normalise rows of flow divided by their sum
 * @property {boolean} baseline divided by the same method on uniform causal attention
 * @property {string} text the sentence; setting it runs the model
 * @property {string} pair the second sentence, "" for none
 * @property {number} step which token that the model wrote is explained, -1 for none
 * @property {string} theme auto, light or dark
 * @property {number} threshold lines below this share are not drawn
 * @property {boolean} hide_special special tokens are left out (their mass is said)
 * @property {boolean} words tokens merged to words
 * @property {string} find tokens that contain this are marked
 * @property {string} segments all, or the sentence that asks and the one that answers: A-A, A-B, B-A, B-B
 * @property {boolean} hide_sinks keys that take most of all attention are left out
 * @property {Metric | Record<string, never>} metric what the model view can sort heads by, {} for nothing
 * @property {string[]} views the views there are (Python only)
 * @property {string[]} methods the methods there are (Python only)
 * @property {number} capture_id grows with every capture that is shown (Python only)
 * @property {Info} info what can be chosen (Python only)
 * @property {ErrorState} error the last error that a trait or a run led to (Python only)
 * @property {string} running what runs without a known length, "" for nothing (Python only)
 */

/**
 * What one view shows, and which controls have an effect in it: decided in attn_widget/pictures/rules.py.
 * @typedef {Object} ViewRule
 * @property {boolean} one_head shows the trait `head`; others show all heads, or those of `heads`
 * @property {boolean} all_layers does not depend on `layer`
 * @property {boolean} per_token shows vectors, which are neither merged to words nor hidden
 * @property {boolean} needs_query is of one query
 * @property {boolean} heads `heads` selects what is drawn
 * @property {boolean} threshold `threshold` selects what is drawn
 * @property {string[]} methods the methods that the view can show
 */

/**
 * @typedef {Object} Rules
 * @property {Record<string, ViewRule>} views
 * @property {Record<string, { per_head: boolean }>} methods
 * @property {Record<string, Record<string, (keyof Spec)[]>>} depends_on view, method: what its frame depends on
 */

/**
 * @typedef {Object} Info
 * @property {string} model
 * @property {Rules} rules
 * @property {{ theme: string[], mode: string[], format: string[] }} choices what these can be
 * @property {(keyof Traits)[]} traits the names of all synced traits
 * @property {boolean} can_run
 * @property {boolean} [can_ablate] heads can be switched off
 * @property {{ position: number, token: string, top: [string, number][] }[]} [steps] of a text the model wrote
 * @property {Group[]} groups
 */

/**
 * @typedef {Object} Group
 * @property {string} name
 * @property {number} layers
 * @property {number} heads the most that a layer has
 * @property {number[]} [layer_heads] how many each layer has
 * @property {{ n: number, word: string }} [parts] how many parts its layers have, and what one is called
 * @property {number} n_queries
 * @property {number} n_keys
 * @property {string[]} methods those that can be chosen
 * @property {string[]} [on_demand] those of them that the kernel needs another capture for
 * @property {boolean} [writes] its queries are those that steps asked
 * @property {string[]} [segments] what `segments` can be; one entry where there is one sentence
 * @property {Record<string, string>} [reasons] why the other methods cannot apply
 */

/**
 * @typedef {Object} Failure
 * @property {string} name
 * @property {string} message
 * @property {string | null} [remedy]
 * @property {string | null} [code]
 */

/** @typedef {Partial<Failure> & { where?: string, id?: number }} ErrorState */

/**
 * Everything that a frame depends on (a neuron frame also on `query`, which its request carries besides).
 * @typedef {Object} Spec
 * @property {number} capture_id
 * @property {string} view
 * @property {string} method
 * @property {string} attention
 * @property {number} layer
 * @property {number} head
 * @property {number} part
 * @property {number} residual
 * @property {string} reduce
 * @property {boolean} normalise
 * @property {boolean} baseline
 * @property {boolean} hide_special
 * @property {boolean} words
 * @property {string} segments
 * @property {boolean} hide_sinks
 */

/**
 * One number per layer and head; null where there is none.
 * @typedef {Object} Metric
 * @property {string} name
 * @property {string} unit
 * @property {string} attention the group it was measured on
 * @property {(number | null)[][]} values layer, head
 */

/**
 * One array of a frame. `table` decodes a byte; without it `data` holds the values themselves.
 * @typedef {Object} FrameArray
 * @property {string} name
 * @property {number[]} shape
 * @property {Uint8Array | Uint16Array | Uint32Array | Int8Array | Int16Array | Float32Array} data
 * @property {Float32Array | null} table
 * @property {number} scale the value of the largest byte
 */

/**
 * What stands along one side: each displayed row with the token positions it stands for.
 * @typedef {Object} Axis
 * @property {string[]} text
 * @property {number[]} special 0 or 1
 * @property {number[][]} positions
 * @property {number[]} segment
 * @property {string[]} [hidden] what is not shown, in words
 */

/**
 * Exactly what one drawing needs: the header's fields, and the arrays by name.
 * @typedef {Object} Frame
 * @property {string} view
 * @property {number} capture_id
 * @property {Spec} spec
 * @property {Axis} queries
 * @property {Axis} keys
 * @property {{ head: number | null, name: string }[]} lanes
 * @property {string} unit share or flow
 * @property {boolean} causal
 * @property {string} layer_label
 * @property {number | null} [saturation] share of pairs at their bound, 0 to 1
 * @property {string | null} [divided_by] the baseline's name
 * @property {string[]} [notes] sentences of the caption about the capture, made in Python
 * @property {number} [missing] weights that are not numbers: a broken kernel's
 * @property {number | [number, number]} [pool] tokens per cell side; in the model view per query and per key
 * @property {{ layer: number, head: number | null, saturation: number | null, hidden: number }[]} [tiles] model view
 * @property {number} [n_layers] how many layers the thumbnails will be of, once all are there
 * @property {number} [query] neuron view: the query taken apart
 * @property {number} [channels] neuron view
 * @property {{ name: string, label: string, about: string }[]} [stages] neuron view: from q · k to softmax
 * @property {number} [scaling] neuron view: multiplies q · k
 * @property {number | null} [softcap] neuron view
 * @property {string | null} [bias_kind] neuron view
 * @property {number | null} [sink] neuron view: one more logit in the softmax
 * @property {number} [difference] neuron view: largest |recomputed − measured|
 * @property {number} [passed] neuron view: 1 where that is within the tolerance
 * @property {number} [total] neuron view: sum of the shares
 * @property {string | null} [why] neuron view: why there is nothing to show
 * @property {string[]} [source] text view: the segments as they were written
 * @property {([number, number, number] | null)[]} [spans] text view: segment, start, stop of each displayed key
 * @property {[number, number] | null} [grid] text view: rows and columns of image patches
 * @property {number | null} [seconds] text view: seconds of sound that a key covers
 * @property {Record<string, FrameArray>} arrays
 */

/**
 * The exact numbers of one displayed row or column, for every lane.
 * @typedef {Object} Row
 * @property {"query" | "key"} side
 * @property {number} index
 * @property {number} n length of a lane
 * @property {Float32Array} values lane after lane
 * @property {Float32Array | null} upper
 * @property {Float32Array | null} lower
 * @property {Uint8Array | null} saturated
 * @property {number[]} sum per lane, over all keys, hidden ones included
 */

/**
 * Cells that a matrix view wants finer than they came: displayed rows and columns, first and one past the last.
 * @typedef {{ pool: number, rows: [number, number], columns: [number, number] }} Wanted
 */

/** @typedef {Wanted & { arrays: Record<string, FrameArray> }} Part finer cells of a matrix that came pooled */

/**
 * How far a request has come. `total` is 0 where nobody knows.
 * @typedef {Object} Progress
 * @property {string} what
 * @property {number} done
 * @property {number} total
 * @property {number} elapsed_ms
 */

/** @typedef {"query" | "key"} Side */

/**
 * What the still pictures beside a live view are found by.
 * @typedef {Object} Still
 * @property {string} [mark] what the base64 of the file contains, and no other's does
 * @property {[number, number][]} [sizes] width and height, px
 */

export {};
