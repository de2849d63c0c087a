// One whole view of the widget on stored numbers.
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  click,
  contextOf,
  mounted,
  pause,
  press,
  settled,
  storedModel,
  textOf,
  type,
} from "./dom.js";

const picture = (view) => JSON.parse(view.surface().dataset.frame);
const drawn = (view) => Number(view.surface().dataset.ready);

for (const view of ["head", "model", "neuron", "matrix", "text"]) {
  test(`the ${view} view is drawn from the traits`, async () => {
    const page = await mounted(await storedModel({ view, method: "raw", layer: 1, head: 1 }));
    assert.equal(picture(page).view, view);
    assert.equal(picture(page).complete, true);
    assert.match(page.surface().getAttribute("aria-label"), /layer/);
    assert.match(textOf(page.find("[data-caption]")), /\w/);
    page.end.abort();
  });
}

test("tokens reach the page as text only, in every view", async () => {
  const hostile = '<img src=x onerror="alert(1)">';
  for (const view of ["head", "model", "neuron", "matrix", "text"]) {
    const traits = { view, layer: 1, head: 1, query: [1], key: [1], find: hostile };
    const model = await storedModel(traits, (stored) => {
      const { axes, groups } = stored;
      stored.shown = null;
      for (const axis of axes) axis.text[1] = hostile;
      groups.decoder.read.source = [hostile, "b"];
    });
    const page = await mounted(model);
    assert.equal(page.root.querySelector("img"), null, view);
    assert.ok(textOf(page.find("[data-readout]")).includes("<img"), view);
    page.end.abort();
  }
});

test("a trait set in Python changes the picture", async () => {
  const model = await storedModel({ view: "head", method: "raw", layer: 0 });
  const page = await mounted(model);
  model.set("layer", 1);
  await settled();
  assert.equal(picture(page).layer, 1);
  model.set("view", "matrix");
  await settled();
  assert.equal(picture(page).view, "matrix");
  page.end.abort();
});

test("the caption says what Python noted of the capture", async () => {
  const page = await mounted(await storedModel({ view: "matrix", layer: 1, head: 1 }));
  const note = "not recorded: encoder.0.mixer and 1 more";
  assert.ok(textOf(page.find("[data-caption]")).includes(note));
  page.end.abort();
});

test("a method that the kernel computes first keeps the picture until its capture comes", async () => {
  const model = await storedModel({ view: "head", method: "raw", layer: 1 });
  const info = model.get("info");
  const groups = info.groups.map((group) => ({
    ...group,
    methods: [...group.methods, "relevance"],
    on_demand: ["relevance"],
  }));
  model.set("info", { ...info, groups });
  const page = await mounted(model);
  const sent = [];
  const send = model.send.bind(model);
  model.send = (message) => {
    sent.push(message);
    send(message);
  };
  model.set("method", "relevance");
  await settled();
  assert.equal(picture(page).method, "raw");
  assert.deepEqual(
    sent.filter(({ name }) => name === "frame"),
    [],
  );
  page.end.abort();
});

test("a theme set in Python is applied and the picture is drawn again", async () => {
  const model = await storedModel({ view: "head", theme: "light" });
  const page = await mounted(model);
  assert.equal(page.host.dataset.theme, "light");
  const calls = contextOf(page.surface()).calls.length;
  model.set("theme", "dark");
  await settled();
  assert.equal(page.host.dataset.theme, "dark");
  assert.ok(contextOf(page.surface()).calls.length > calls);
  page.end.abort();
});

test("a theme that the host changes is followed", async () => {
  const page = await mounted(await storedModel({ theme: "auto" }));
  assert.equal(page.host.dataset.theme, "light");
  document.documentElement.setAttribute("theme", "dark"); // as Colab does
  await pause(400);
  assert.equal(page.host.dataset.theme, "dark");
  document.documentElement.removeAttribute("theme");
  page.end.abort();
});

test("the controls set traits, and the picture follows", async () => {
  const model = await storedModel({ view: "head", method: "raw", layer: 0, heads: [0, 1] });
  const page = await mounted(model);
  click(page.find("[data-view='matrix']"));
  click(page.find("[aria-label='next layer']"));
  await settled();
  assert.equal(model.get("view"), "matrix");
  assert.equal(model.get("layer"), 1);
  assert.equal(picture(page).layer, 1);
  page.end.abort();
});

test("keys on the stage pin tokens and change the layer, and do not reach the notebook", async () => {
  const model = await storedModel({ view: "head", layer: 0, query: [], key: [] });
  const page = await mounted(model);
  let reached = 0;
  document.addEventListener("keydown", () => (reached += 1), { signal: page.end.signal });
  press(page.stage, "ArrowDown");
  assert.deepEqual(model.get("query"), [0]);
  press(page.stage, "ArrowRight");
  assert.deepEqual([model.get("query"), model.get("key")], [[], [0]]);
  press(page.stage, "ArrowLeft");
  assert.deepEqual([model.get("query"), model.get("key")], [[0], []]);
  press(page.stage, "ArrowDown", { shiftKey: true });
  assert.equal(model.get("layer"), 1);
  press(page.stage, "ArrowDown", { ctrlKey: true });
  assert.equal(model.get("layer"), 1);
  press(page.stage, "Escape");
  assert.deepEqual(model.get("query"), []);
  assert.equal(reached, 0);
  page.end.abort();
});

test("the search counts its matches and goes from one to the next", async () => {
  const model = await storedModel({ view: "text", find: "" });
  const page = await mounted(model);
  type(page.find(".find input"), "s");
  await settled();
  const button = () => textOf(page.find("[data-next]"));
  const all = Number(button().split(" ")[0]);
  assert.ok(all > 1, button());
  click(page.find("[data-next]"));
  await settled();
  assert.equal(button(), `1 of ${all} ›`);
  press(page.find(".find input"), "Enter", { shiftKey: true });
  await settled();
  assert.equal(button(), `${all} of ${all} ›`);
  page.end.abort();
});

test("a hovered word of the text view is read, a clicked one is pinned", async () => {
  const model = await storedModel({ view: "text", query: [], key: [] });
  const page = await mounted(model);
  const word = page.find("[data-row='1']");
  word.dispatchEvent(new window.PointerEvent("pointerover", { bubbles: true }));
  await settled();
  assert.equal(page.find("[data-readout]").dataset.state, "reading");
  click(word);
  assert.equal(model.get(word.dataset.side).length, 1);
  page.end.abort();
});

test("what a page without a kernel cannot do is an error in the readout, until the next change", async () => {
  const model = await storedModel({ view: "head" });
  const page = await mounted(model);
  model.set("residual", 0.9);
  await settled();
  assert.match(textOf(page.find("[data-readout]")), /residual is fixed in this page/);
  click(page.find("[data-trait='words']"));
  click(page.find("[data-view='matrix']"));
  await settled();
  assert.doesNotMatch(textOf(page.find("[data-readout]")), /fixed in this page/);
  page.end.abort();
});

test("a run that failed shows its error and hides the picture", async () => {
  const error = { where: "run", name: "InputError", message: "text must not be empty.", id: 1 };
  const page = await mounted(await storedModel({ error }));
  assert.match(textOf(page.find("[role='alert']")), /InputError text must not be empty/);
  assert.equal(page.stage.hidden, true);
  assert.equal(page.find("[data-readout]"), null);
  page.end.abort();
});

test("a new capture drops the frames of the old one", async () => {
  const model = await storedModel({ view: "head", layer: 0 });
  let requests = 0;
  const send = model.send.bind(model);
  model.send = (message) => {
    if (message.name === "frame") requests += 1;
    send(message);
  };
  const page = await mounted(model);
  const before = requests;
  model.set("words", !model.get("words"));
  await settled();
  model.set("words", !model.get("words"));
  await settled();
  assert.equal(requests, before + 1); // the first frame was kept
  model.set("capture_id", 7);
  await settled();
  assert.equal(requests, before + 2);
  page.end.abort();
});

test("a view that closes leaves nothing behind and draws no more", async () => {
  const model = await storedModel({ view: "head" });
  const page = await mounted(model);
  const before = drawn(page);
  page.end.abort();
  assert.equal(page.host.isConnected, false);
  model.set("layer", 1);
  await settled();
  assert.equal(drawn(page), before);
});
