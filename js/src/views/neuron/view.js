// The neuron view: one head from left to right, key, product, sum, scale, softmax. Rows add up on
// screen.
import { prepared } from "../../paint/canvas.js";
import { HEADER, neuronHit, neuronLayout } from "./layout.js";
import { channelOrder, clip99, products } from "./math.js";
import { widest } from "../../paint/tokens.js";
import { memo } from "../../memo.js";
import { rowsOf } from "../shared/selection.js";
import { paintChannel, paintHeader, paintRows, stagesOf } from "./marks.js";
import { describeNeuron } from "./words.js";
import { listen, revealRow } from "../shared/pointer.js";

/** @typedef {import("../../view-types.js").Scene} Scene */
/** @typedef {import("../../types.js").Frame} Frame */
/** @typedef {CanvasRenderingContext2D} Context */

/**
 * @param {import("../../view-types.js").Callbacks} callbacks
 * @param {AbortSignal} signal
 * @returns {import("../../view-types.js").View}
 */
export function neuronView(callbacks, signal) {
  const element = document.createElement("div");
  element.className = "viewport";
  const content = document.createElement("div");
  const canvas = document.createElement("canvas");
  const why = document.createElement("p");
  why.className = "why";
  content.append(canvas);
  element.append(why, content);
  const layoutOf = memo(neuronLayout);
  const productsOf = memo(products);
  const vectorClip = memo((/** @type {Frame} */ frame) =>
    clip99([...frame.arrays.q.data, ...frame.arrays.k.data]),
  );
  const productClip = memo((/** @type {Float32Array} */ product) => clip99(product));
  const widestOf = memo((/** @type {string[]} */ text, /** @type {string} */ font) =>
    widest(/** @type {Context} */ (canvas.getContext("2d")), font, text, 13),
  );
  let byContribution = true;
  /**
   * What was drawn last.
   * @type {{ layout: ReturnType<typeof neuronLayout>, order: number[], frame: Frame } | null}
   */
  let drawn = null;

  element.addEventListener("scroll", () => callbacks.onRedraw(), { signal, passive: true });
  const scrollTop = () =>
    drawn?.layout.scrolls ? Math.round(element.scrollTop / drawn.layout.row) * drawn.layout.row : 0;
  listen(
    canvas,
    (x, y) => {
      if (!drawn) return null;
      const { layout, order, frame } = drawn;
      const [n, d] = frame.arrays.k.shape;
      const at = neuronHit(layout, x, y, scrollTop(), n, d);
      if (!at) return null;
      // A click on a token makes it the query, where queries and keys are the same tokens.
      if (at.onToken && frame.queries.text.length === n) return { side: "query", index: at.key };
      const channel = at.place === null ? {} : { channel: order[at.place] };
      return { query: frame.query ?? 0, key: at.key, ...channel };
    },
    callbacks,
    signal,
  );

  /** @param {Scene} scene */
  function draw(scene) {
    const { frame, traits, look, width, hover } = scene;
    why.textContent = frame.why ?? "";
    why.hidden = !frame.why;
    content.hidden = !!frame.why;
    if (frame.why || !frame.arrays.q) return describeNeuron(scene, null);

    const [n, d] = frame.arrays.k.shape;
    const product = productsOf(frame);
    const names = stagesOf(frame).map(({ name }) => name);
    const layout = layoutOf(
      width,
      n,
      d,
      widestOf(frame.keys.text, look.font),
      names.join("|"),
      look.ratio,
    );
    const pinned = rowsOf(frame.keys, traits.key)[0] ?? indexOfLargest(frame.arrays.measured.data);
    const key = hover && "query" in hover ? hover.key : pinned;
    const order = channelOrder(product, d, pinned, byContribution);
    drawn = { layout, order, frame };
    content.style.height = layout.scrolls ? `${layout.contentHeight}px` : "";
    element.style.height = layout.scrolls ? `${layout.height}px` : "";
    const ctx = prepared(canvas, layout.width, layout.height, look.ratio);
    const placing = {
      layout,
      product,
      order,
      byContribution,
      scroll: scrollTop(),
      vectorClip: vectorClip(frame),
      productClip: productClip(product),
    };
    paintHeader(ctx, scene, placing);
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, HEADER, layout.width, layout.height);
    ctx.clip();
    paintRows(ctx, scene, placing, key);
    ctx.restore();
    const channel = hover && "query" in hover ? hover.channel : undefined;
    if (channel !== undefined) paintChannel(ctx, look, placing, key, order.indexOf(channel));
    return describeNeuron(scene, {
      product,
      key,
      channel: channel ?? order[0],
      clip: placing.productClip,
    });
  }

  const options = () => [
    {
      name: "channels",
      choices: ["by contribution", "in order"],
      value: byContribution ? "by contribution" : "in order",
    },
  ];
  /** @param {string} _name @param {string} value */
  function choose(_name, value) {
    byContribution = value === "by contribution";
    callbacks.onRedraw();
  }

  /** Bring a key into the viewport. @param {number} index */
  function reveal(index) {
    if (drawn?.layout.scrolls)
      revealRow(element, drawn.layout.row, drawn.layout.height - HEADER, index);
  }

  return { element, surface: canvas, draw, options, choose, reveal };
}

/** @param {ArrayLike<number>} values */
function indexOfLargest(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
