// Views in a page: what the pointer, the wheel and the scroll bar do on them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { click, contextOf, pause, window } from "./dom.js";
import { frame as storedFrame, frameOf, look } from "./helpers.js";

const { listen, revealRow, sameTarget } = await import("../src/views/shared/pointer.js");
const { VIEWS } = await import("../src/views/index.js");
const { headLayout } = await import("../src/views/head/layout.js");
const { matrixLayout } = await import("../src/views/matrix/layout.js");

const point = (type, x, y, more = {}) =>
  new window.PointerEvent(type, {
    clientX: x,
    clientY: y,
    bubbles: true,
    cancelable: true,
    ...more,
  });

// happy-dom's WheelEvent has no modifier keys.
const wheel = (more) =>
  Object.assign(new window.Event("wheel", { cancelable: true }), {
    deltaY: -1,
    clientX: 300,
    clientY: 300,
    ...more,
  });

const traits = {
  view: "head",
  method: "raw",
  layer: 0,
  head: 0,
  heads: [0, 1],
  query: [],
  key: [],
  attention: "self",
  threshold: 0,
  find: "",
  metric: {},
  hide_sinks: false,
  info: { groups: [{ name: "self", layers: 2, heads: 2, methods: ["raw"] }] },
};

/** A view on a stage, with what it called back; `draw` draws it again with other parts of the scene. */
function staged(name, frame, more = {}) {
  const calls = [];
  const callbacks = {
    onHover: (target) => calls.push(["hover", target]),
    onPin: (target, several) => calls.push(["pin", target, several]),
    onRedraw: () => calls.push(["redraw"]),
  };
  const view = VIEWS[name](callbacks, new AbortController().signal);
  document.body.append(view.element);
  const scene = {
    frame,
    traits: { ...traits, view: name, ...more },
    look,
    width: 900,
    hover: null,
    focused: false,
    litHead: null,
    detail: null,
    exact: () => null,
    finer: () => null,
  };
  const draw = (changes = {}) => view.draw({ ...scene, ...changes });
  const description = draw();
  return { view, calls, draw, description, canvas: view.surface };
}

/** Weights in which each query attends to its own position most. */
function diagonal(n, lanes = 1) {
  const row = (q) => Array.from({ length: n }, (_, k) => (k === q ? 0.75 : 0.25 / (n - 1)));
  const lane = Array.from({ length: n }, (_, q) => row(q));
  return frameOf(Array.from({ length: lanes }, () => lane));
}

test("a mouse hovers by moving and pins by clicking; with a modifier it adds", () => {
  const element = document.createElement("div");
  const calls = [];
  const callbacks = {
    onHover: (target) => calls.push(target),
    onPin: (target, several) => calls.push([target, several]),
  };
  const hit = (x) => (x < 100 ? { side: "query", index: x / 10 } : null);
  listen(element, hit, callbacks, new AbortController().signal);
  element.dispatchEvent(point("pointermove", 20, 0));
  element.dispatchEvent(point("click", 20, 0));
  element.dispatchEvent(point("click", 30, 0, { shiftKey: true }));
  element.dispatchEvent(point("click", 200, 0));
  element.dispatchEvent(point("pointerleave", 0, 0));
  assert.deepEqual(calls, [
    { side: "query", index: 2 },
    [{ side: "query", index: 2 }, false],
    [{ side: "query", index: 3 }, true],
    null,
  ]);
});

test("a first tap hovers, a second on the same pins", () => {
  const element = document.createElement("div");
  const calls = [];
  const callbacks = {
    onHover: (target) => calls.push(["hover", target.index]),
    onPin: (target) => calls.push(["pin", target.index]),
  };
  const hit = (x) => ({ side: "key", index: x });
  listen(element, hit, callbacks, new AbortController().signal);
  const touch = { pointerType: "touch" };
  element.dispatchEvent(point("pointermove", 1, 0, touch));
  for (const x of [1, 2, 2]) element.dispatchEvent(point("click", x, 0, touch));
  assert.deepEqual(calls, [
    ["hover", 1],
    ["hover", 2],
    ["pin", 2],
  ]);
});

test("targets are equal by what they point at", () => {
  assert.ok(sameTarget({ side: "key", index: 1 }, { side: "key", index: 1 }));
  assert.ok(!sameTarget({ side: "key", index: 1 }, { side: "key", index: 2 }));
  assert.ok(!sameTarget(null, { side: "key", index: 2 }));
  assert.ok(sameTarget(null, null));
});

test("a row is revealed by scrolling as little as possible, a far one to the middle", () => {
  const scrolled = (from, index) => {
    const element = { scrollTop: from };
    revealRow(element, 10, 100, index);
    return element.scrollTop;
  };
  assert.equal(scrolled(0, 5), 0); // in the viewport
  assert.equal(scrolled(100, 8), 70); // just above
  assert.equal(scrolled(0, 10), 20); // just below
  assert.equal(scrolled(0, 100), 950); // far
});

test("head view: each side's tokens are hit where they stand", () => {
  const { canvas, calls } = staged("head", diagonal(5, 2));
  const at = headLayout(900, 5, 5, 2, 12, 12, 768);
  const y = (row) => 22 + (row + 0.5) * at.row;
  canvas.dispatchEvent(point("pointermove", at.xQuery - 5, y(3)));
  canvas.dispatchEvent(point("pointermove", at.xKey + 5, y(1)));
  canvas.dispatchEvent(point("pointermove", at.xQuery - 5, 5));
  assert.deepEqual(calls, [
    ["hover", { side: "query", index: 3 }],
    ["hover", { side: "key", index: 1 }],
    ["hover", null],
  ]);
});

test("head view: the strip names one head of a pair while a query is pinned", () => {
  const { canvas, calls, draw } = staged("head", diagonal(5, 2));
  const { strip, row } = headLayout(900, 5, 5, 2, 12, 12, 768);
  const here = point("pointermove", strip.x + strip.column * 1.5, 22 + 2.5 * row);
  canvas.dispatchEvent(here);
  draw({ traits: { ...traits, query: [4] } });
  canvas.dispatchEvent(here);
  draw({ traits: { ...traits, key: [3] } });
  canvas.dispatchEvent(here);
  assert.deepEqual(
    calls.map(([, target]) => target),
    [null, { query: 4, key: 2, lane: 1 }, { query: 2, key: 3, lane: 1 }],
  );
});

test("head view: many rows scroll, by the minimap too, and a pinned row is revealed", () => {
  const { view, canvas, calls, description, draw } = staged("head", diagonal(200));
  assert.match(description.caption.join(" "), /rows 0–\d+ of 200/);
  assert.notEqual(view.element.style.height, "");
  canvas.dispatchEvent(point("pointerdown", 4, 400, { buttons: 1 }));
  const middle = view.element.scrollTop;
  assert.ok(middle > 500, String(middle));
  canvas.dispatchEvent(point("pointermove", 4, 300, { buttons: 0 })); // not held
  assert.equal(view.element.scrollTop, middle);
  view.element.dispatchEvent(new window.Event("scroll"));
  assert.ok(calls.some(([name]) => name === "redraw"));
  const first = Number(/rows (\d+)–/.exec(draw().caption.join(" "))[1]);
  assert.ok(first > 20, String(first));
  view.reveal(0);
  assert.ok(view.element.scrollTop < middle);
});

test("head view: a hover reuses the image of the other lines", () => {
  const { canvas, draw } = staged("head", diagonal(5, 2));
  draw({ hover: { side: "query", index: 1 } });
  const images = contextOf(canvas).named("drawImage");
  const [base, trace] = images
    .slice(-2)
    .map(({ args }) => contextOf(args[0]).named("stroke").length);
  draw({ hover: { side: "query", index: 2 } });
  const last = contextOf(canvas).named("drawImage").at(-1).args[0];
  assert.equal(contextOf(last).named("stroke").length, trace); // not drawn again
  assert.ok(base > 0);
});

test("matrix view: a cell is its pair, a label its row or column", () => {
  const { canvas, calls } = staged("matrix", diagonal(5));
  const at = matrixLayout(900, 5, 5, 12, 12, 1, 0);
  const cell = (row, column) => [at.x0 + (column + 0.5) * at.cell, at.y0 + (row + 0.5) * at.tall];
  canvas.dispatchEvent(point("pointermove", ...cell(3, 1)));
  canvas.dispatchEvent(point("pointermove", at.x0 - 20, cell(2, 0)[1]));
  const [, { query, key }] = calls[0];
  assert.deepEqual({ query, key }, { query: 3, key: 1 });
  assert.deepEqual(calls[1], ["hover", { side: "query", index: 2 }]);
});

test("matrix view: + and ctrl + wheel zoom in, dragging moves, and the click after it pins nothing", async () => {
  const { view, canvas, calls, draw } = staged("matrix", diagonal(120));
  const whole = draw().caption.join(" ");
  assert.match(whole, /120 × 120/);
  assert.equal(view.press("x"), false);
  assert.equal(view.press("+"), true);
  canvas.dispatchEvent(wheel({ ctrlKey: true }));
  canvas.dispatchEvent(wheel({ ctrlKey: false })); // scrolls the page
  assert.equal(calls.filter(([name]) => name === "redraw").length, 2);
  assert.match(draw().caption.join(" "), /\d+ × \d+ of 120 × 120 cells/);

  const hoverAt = () => {
    canvas.dispatchEvent(point("pointermove", 300, 300));
    return calls.at(-1)[1];
  };
  const before = hoverAt();
  canvas.dispatchEvent(point("pointerdown", 300, 300, { button: 0 }));
  window.dispatchEvent(point("pointermove", 200, 300));
  window.dispatchEvent(point("pointerup", 200, 300));
  canvas.dispatchEvent(point("click", 200, 300));
  assert.ok(!calls.some(([name]) => name === "pin"));
  draw();
  assert.ok(hoverAt().key > before.key);
  await pause(5);
  canvas.dispatchEvent(point("click", 200, 300));
  assert.ok(calls.some(([name]) => name === "pin"));
  for (let i = 0; i < 12; i++) view.press("-");
  assert.equal(draw().caption.join(" "), whole);
});

test("matrix view: the legend switches between linear and square root", () => {
  const { view, draw } = staged("matrix", diagonal(5));
  assert.equal(draw().legend.name, "share");
  view.toggleScale();
  assert.equal(draw().legend.name, "share, √ scale");
  view.toggleScale();
  assert.equal(draw().legend.name, "share");
});

test("matrix view: pins and the hovered pair are framed", () => {
  const { canvas, draw } = staged("matrix", diagonal(5));
  const frames = () => contextOf(canvas).named("strokeRect").length;
  const none = frames();
  draw({ traits: { ...traits, query: [1], key: [2] } });
  const pinned = frames() - none;
  draw({ hover: { query: 1, key: 2 } });
  assert.deepEqual([pinned, frames() - none - pinned], [2, 2]);
});

/** A frame whose keys are a special token and a grid of patches. */
function patches() {
  const frame = frameOf([Array.from({ length: 5 }, () => [0.2, 0.6, 0.1, 0.05, 0.05])], {
    special: [0],
  });
  const image = {
    name: "image",
    shape: [4, 4, 3],
    data: new Uint8Array(48),
    table: null,
    scale: 1,
  };
  const keys = frame.keys;
  return {
    ...frame,
    queries: keys,
    keys,
    view: "text",
    grid: [2, 2],
    arrays: { ...frame.arrays, image },
  };
}

test("text view: patches are shaded over their picture and hit where they stand", () => {
  const { view, calls, draw } = staged("text", patches());
  const area = view.element.querySelector("canvas.area");
  const [width, height] = [area.style.width, area.style.height].map(parseFloat);
  area.dispatchEvent(point("pointermove", width * 0.75, height * 0.25));
  area.dispatchEvent(point("pointermove", width * 0.25, height * 0.75));
  assert.deepEqual(
    calls.map(([, target]) => target),
    [
      { side: "query", index: 2 },
      { side: "query", index: 3 },
    ],
  );
  const fills = () => contextOf(area).named("fillRect");
  assert.equal(contextOf(area).named("drawImage").length, 1);
  const before = fills().length;
  draw({ hover: { side: "query", index: 1 } });
  const shaded = fills().slice(before);
  const strongest = Math.max(...shaded.map(({ globalAlpha }) => globalAlpha));
  assert.equal(strongest, 1); // the patch with the largest share
  assert.ok(contextOf(area).named("strokeRect").length >= 2); // outlined
});

test("text view: sound is a strip along time", () => {
  const frame = { ...frameOf([[[0.5, 0.25, 0.25]]]), view: "text", seconds: 0.5 };
  const { view, calls, description } = staged("text", frame);
  assert.match(description.caption[0], /3 frames of 0\.50 s: 1\.5 s/);
  const area = view.element.querySelector("canvas.area");
  area.dispatchEvent(point("pointermove", 14, 10));
  assert.deepEqual(calls, [["hover", { side: "key", index: 1 }]]);
});

test("text view: a token whose marks turn the text stands apart from the text around it", () => {
  const frame = diagonal(3);
  frame.keys.text[1] = frame.queries.text[1] = "\u202eabc";
  const { view } = staged("text", { ...frame, view: "text" });
  const spans = [...view.element.querySelectorAll("span")];
  assert.equal(
    spans.find(({ textContent }) => textContent.includes("abc")).style.unicodeBidi,
    "isolate",
  );
});

const metric = {
  name: "score",
  unit: "",
  attention: "self",
  values: [
    [3, 1],
    [2, 4],
  ],
};
function thumbnails() {
  const tiles = [];
  for (const layer of [0, 1])
    for (const head of [0, 1]) tiles.push({ layer, head, saturation: null });
  const base = diagonal(4);
  const data = Float32Array.from({ length: 4 * 16 }, (_, i) => (i % 16) / 16);
  const array = { name: "tiles", shape: [4, 4, 4], data, table: null, scale: 1 };
  return { ...base, view: "model", tiles, n_layers: 2, pool: [1, 1], arrays: { tiles: array } };
}

test("model view: heads can be ordered and coloured by a metric", () => {
  const { view, canvas, draw } = staged("model", thumbnails(), { metric });
  const [order, show] = view.options(thumbnails());
  assert.equal(order.value, "by number");
  assert.deepEqual(show.choices, ["attention", "score"]);
  view.choose("order", "all by score");
  view.choose("show", "score");
  const before = contextOf(canvas).named("fillText").length;
  const { legend, caption } = draw();
  assert.equal(legend.name, "score");
  assert.match(caption[0], /coloured by score/);
  const names = contextOf(canvas)
    .named("fillText")
    .slice(before)
    .map(({ args }) => args[0]);
  const ranked = names.filter((name) => name.includes("·"));
  assert.deepEqual(ranked, ["1·1", "0·0", "1·0", "0·1"]);
});

test("model view: a thumbnail is hit where it stands, also in another order", () => {
  const { view, canvas, calls, draw } = staged("model", thumbnails(), { metric });
  const hitAt = (x, y) => {
    canvas.dispatchEvent(point("pointermove", x, y));
    return calls.at(-1)[1];
  };
  assert.deepEqual(hitAt(30, 24), { layer: 0, head: 0 });
  assert.equal(hitAt(2, 2), null);
  view.choose("order", "all by score");
  draw();
  assert.deepEqual(hitAt(30, 24), { layer: 1, head: 1 });
});

test("model view: an exact row of the head beside it is drawn, and a click there pins", () => {
  const frame = thumbnails();
  const detail = { ...diagonal(4), spec: { layer: 0, method: "raw" } };
  frame.spec = { layer: 0, method: "raw" };
  const { canvas, calls, draw } = staged("model", frame);
  const description = draw({ detail });
  assert.equal(description.reading.title, "layer 0 · head 0");
  const texts = contextOf(canvas).named("fillText");
  const token = texts.findLast(({ args }) => args[0] === "q2");
  canvas.dispatchEvent(point("click", token.args[1] - 5, token.args[2]));
  assert.deepEqual(calls.at(-1), ["pin", { side: "query", index: 2 }, false]);
});

test("the strongest pair is read from the stored matrix when its query is pinned", () => {
  const frame = storedFrame("matrix");
  const { description } = staged("matrix", frame, { query: [frame.queries.positions[1][0]] });
  assert.equal(description.reading.queries[0], frame.queries.text[1]);
  assert.equal(description.reading.exact, false);
  assert.deepEqual(description.reading.needs, [{ side: "query", index: 1 }]);
});

test("clicks without a target pin nothing", () => {
  const { canvas, calls } = staged("matrix", diagonal(5));
  click(canvas, { clientX: 890, clientY: 5 });
  assert.ok(!calls.some(([name]) => name === "pin"));
});
