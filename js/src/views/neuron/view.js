// The neuron view: one head from left to right, key, product, sum, scale, softmax. Rows add up on screen.
import { onHalf, prepared, setFont, write } from "../../paint/canvas.js";
import { HEADER, neuronHit, neuronLayout } from "./layout.js";
import { channelOrder, clip99, products } from "./math.js";
import { headColours, scaleTable } from "../../paint/palettes.js";
import { paintToken, widest } from "../../paint/tokens.js";
import { found } from "../shared/find.js";
import { fixed } from "../../format.js";
import { memo } from "../../memo.js";
import { rowsOf } from "../shared/selection.js";
import { groupOf } from "../../wire/spec.js";
import { describeNeuron } from "./words.js";
import { listen, revealRow } from "../shared/pointer.js";

/** @typedef {import("../../types.js").Scene} Scene */
/** @typedef {import("../../types.js").Frame} Frame */
/** @typedef {import("../../types.js").Look} Look */
/** @typedef {CanvasRenderingContext2D} Context */

/**
 * @param {import("../../types.js").Callbacks} callbacks
 * @param {AbortSignal} signal
 * @returns {import("../../types.js").View}
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
  const clipOf = memo((/** @type {Frame} */ frame) =>
    clip99([...frame.arrays.q.data, ...frame.arrays.k.data]),
  );
  const productClip = memo((/** @type {Float32Array} */ product) => clip99(product));
  const widestOf = memo((/** @type {string[]} */ text, /** @type {string} */ font) =>
    widest(/** @type {Context} */ (canvas.getContext("2d")), font, text, 13),
  );
  let byContribution = true;
  /** @type {{ layout: ReturnType<typeof neuronLayout>, product: Float32Array, order: number[], frame: Frame } | null} */
  let now = null;

  element.addEventListener("scroll", () => callbacks.onRedraw(), { signal, passive: true });
  const scrollTop = () =>
    now?.layout.scrolls ? Math.round(element.scrollTop / now.layout.row) * now.layout.row : 0;
  listen(
    canvas,
    (x, y) => {
      if (!now) return null;
      const { layout, order, frame } = now;
      const [n, d] = frame.arrays.k.shape;
      const at = neuronHit(layout, x, y, scrollTop(), n, d);
      if (!at) return null;
      // A click on a token asks from it, where queries and keys are the same tokens.
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
    now = { layout, product, order, frame };
    content.style.height = layout.scrolls ? `${layout.contentHeight}px` : "";
    element.style.height = layout.scrolls ? `${layout.height}px` : "";
    const ctx = prepared(canvas, layout.width, layout.height, look.ratio);
    paintHeader(ctx, scene);
    ctx.save();
    ctx.beginPath();
    ctx.rect(0, HEADER, layout.width, layout.height);
    ctx.clip();
    paintRows(ctx, scene, key);
    ctx.restore();
    const channel = hover && "query" in hover ? hover.channel : undefined;
    if (channel !== undefined) paintChannel(ctx, look, key, order.indexOf(channel));
    return describeNeuron(scene, {
      product,
      key,
      channel: channel ?? order[0],
      clip: productClip(product),
    });
  }

  /** @param {Context} ctx @param {Scene} scene */
  function paintHeader(ctx, { frame, look }) {
    if (!now) return;
    const { layout } = now;
    const head = (
      /** @type {string} */ name,
      /** @type {string} */ below,
      /** @type {number} */ x,
      /** @type {CanvasTextAlign} */ align,
    ) => {
      setFont(ctx, look, 12, 600);
      write(ctx, name, x, 8, align, look.ink);
      setFont(ctx, look, 11);
      write(ctx, below, x, 24, align, look.ink3);
    };
    if (layout.xKey !== null) head("k", `key, ${frame.channels} channels`, layout.xKey, "left");
    head("q × k", "channel by channel", layout.xProduct, "left");
    for (const { name, x } of layout.numbers) {
      const stage = stagesOf(frame).find((each) => each.name === name);
      const below = name === "bias" && frame.bias_kind ? frame.bias_kind : (SHORT[name] ?? "");
      head(name === "scaled" ? scaleName(frame) : (stage?.label ?? name), below, x, "right");
    }
    head("softmax", "share of this query", layout.xBar, "left");
    const x = layout.xKey ?? layout.xProduct;
    paintToken(ctx, look, frame.queries.text[frame.query ?? 0], x - 12, 48, {
      align: "right",
      size: 13,
      room: layout.room,
      pinned: true,
    });
    strip(ctx, look, frame.arrays.q.data, 0, x, 48, clipOf(frame));
    if (layout.xKey !== null) {
      setFont(ctx, look, 11);
      const note = frame.rotated
        ? "q, the pinned query, rotated as the model used it"
        : "q, the pinned query";
      write(ctx, note, layout.xProduct, 48, "left", look.ink3);
    }
    ctx.fillStyle = look.rule;
    ctx.fillRect(0, 66, layout.width, 1);
  }

  /** @param {Context} ctx @param {Scene} scene @param {number} chosen */
  function paintRows(ctx, { frame, traits, look, focused }, chosen) {
    if (!now) return;
    const { layout, product } = now;
    const [n] = frame.arrays.k.shape;
    const scroll = scrollTop();
    const colour = headColours(
      groupOf(traits).heads,
      [traits.head],
      look.dark,
      look.ink,
    )(traits.head);
    const pins = new Set(rowsOf(frame.keys, traits.key));
    const marked = found(frame.keys, traits.find);
    const first = Math.floor(scroll / layout.row);
    const last = Math.min(n, Math.ceil((scroll + layout.height - HEADER) / layout.row));
    for (let key = first; key < last; key++) {
      const y = HEADER + key * layout.row + layout.row / 2 - scroll;
      const isChosen = key === chosen;
      if (isChosen) {
        ctx.fillStyle = look.fill;
        ctx.fillRect(0, y - layout.row / 2, layout.width, layout.row);
      }
      const x = layout.xKey ?? layout.xProduct;
      paintToken(ctx, look, frame.keys.text[key], x - 12, y, {
        align: "right",
        size: 13,
        room: layout.room,
        special: !!frame.keys.special[key],
        pinned: pins.has(key),
        found: marked.has(key),
        focus: focused && pins.has(key),
      });
      if (layout.xKey !== null)
        strip(ctx, look, frame.arrays.k.data, key, layout.xKey, y, clipOf(frame));
      strip(ctx, look, product, key, layout.xProduct, y, productClip(product));
      setFont(ctx, look, 12, isChosen ? 600 : 400);
      for (const { name, x: right } of layout.numbers) {
        write(ctx, fixed(frame.arrays[name].data[key], 2), right, y + 1, "right", look.ink);
      }
      const weight = frame.arrays.softmax.data[key];
      ctx.fillStyle = colour;
      if (weight > 0) ctx.fillRect(layout.xBar, y - 4, Math.max(0.5, weight * layout.bar), 8);
      write(ctx, fixed(weight, 4), layout.xWeight, y + 1, "right", look.ink);
    }
    if (last < n) return;
    const y = HEADER + n * layout.row - scroll;
    ctx.fillStyle = look.rule;
    ctx.fillRect(layout.xBar, y + 3, layout.xWeight - layout.xBar, 1);
    setFont(ctx, look, 11);
    const isShort = layout.bar < 110;
    const total = isShort
      ? "sum"
      : typeof frame.sink === "number"
        ? "sum; the rest: the sink"
        : "sum of the shares";
    write(ctx, total, layout.xBar, y + 17, "left", look.ink3);
    const shown = now.order.slice(0, 3).join(", ");
    write(ctx, `channel ${shown} …`, layout.xKey ?? layout.xProduct, y + 17, "left", look.ink3);
    const isSorted = byContribution && layout.xKey !== null;
    if (isSorted) write(ctx, "largest first", layout.xProduct, y + 17, "left", look.ink3);
    setFont(ctx, look, 12, 600);
    write(ctx, fixed(frame.total ?? 0, 4), layout.xWeight, y + 17, "right", look.ink);
  }

  /** The channels of one vector. @param {Context} ctx @param {Look} look @param {ArrayLike<number>} values @param {number} row @param {number} x @param {number} y @param {number} limit */
  function strip(ctx, look, values, row, x, y, limit) {
    if (!now) return;
    const { layout, order, frame } = now;
    const d = frame.arrays.k.shape[1];
    const table = scaleTable("diverging", look.dark).css;
    const height = Math.min(16, layout.row - 3);
    const gap = layout.channel >= 4 ? 0.5 : 0;
    for (const [place, c] of order.entries()) {
      const at = place * layout.channel;
      if (at >= layout.strip) break;
      const t = Math.max(-1, Math.min(1, values[row * d + c] / limit));
      ctx.fillStyle = table[Math.round((t + 1) * 127.5)];
      ctx.fillRect(x + at, y - height / 2, layout.channel - gap, height);
    }
  }

  /** A frame round one channel of key, product and query. @param {Context} ctx @param {Look} look @param {number} key @param {number} place */
  function paintChannel(ctx, look, key, place) {
    if (!now) return;
    const { layout } = now;
    const y = HEADER + key * layout.row + layout.row / 2 - scrollTop();
    ctx.strokeStyle = look.ink;
    ctx.lineWidth = 1;
    const box = (/** @type {number} */ x, /** @type {number} */ middle) =>
      ctx.strokeRect(
        onHalf(x + place * layout.channel - 1.2),
        onHalf(middle - 10),
        layout.channel + 0.6,
        19,
      );
    if (layout.xKey !== null) box(layout.xKey, y);
    box(layout.xProduct, y);
    box(layout.xKey ?? layout.xProduct, 48);
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

  /** Bring a key into the window. @param {number} index */
  function reveal(index) {
    if (now?.layout.scrolls) revealRow(element, now.layout.row, now.layout.height - HEADER, index);
  }

  return { element, surface: canvas, draw, options, choose, reveal };
}

/** @type {Record<string, string>} */
const SHORT = { dot: "sum", scaled: "scaled", softcapped: "capped", bias: "added", mask: "added" };

/** The stages that are columns of numbers: all but the last. @param {Frame} frame */
const stagesOf = ({ stages = [] }) => stages.filter(({ name }) => name !== "softmax");

/** @param {Frame} frame */
function scaleName({ scaling = 1, channels = 1 }) {
  const isUsual = Math.abs(scaling * Math.sqrt(channels) - 1) < 1e-6;
  return isUsual ? `÷ √${channels}` : `× ${Number(scaling.toPrecision(3))}`;
}

/** @param {ArrayLike<number>} values */
function indexOfLargest(values) {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
