import assert from "node:assert/strict";
import { test } from "node:test";
import { Requester } from "../src/wire/requests.js";
import { StaticModel } from "../src/static/model.js";
import { failureOf, noticeOf, workOf } from "../src/controls/status.js";
import { Store } from "../src/wire/frames.js";
import { stored } from "./helpers.js";

function pair() {
  const sent = [];
  const requester = new Requester((message) => sent.push(message), "s");
  let changes = 0;
  const store = new Store(requester, () => (changes += 1));
  const last = () => sent.filter(({ kind }) => kind === "request").at(-1);
  const reply = (name, more = {}) => {
    const { header, buffers } = stored(name);
    requester.receive({ kind: "reply", id: last().id, data: header, ...more }, buffers);
  };
  return { sent, store, requester, last, reply, changes: () => changes };
}
const spec = { ...stored("head").header.spec };

test("a frame is asked for once, shown when it comes, and then remembered", () => {
  const { sent, store, reply } = pair();
  store.want(spec);
  store.want(spec);
  assert.equal(sent.length, 1);
  reply("head");
  assert.equal(store.shown.layer_label, "layer 2");
  assert.equal(store.complete, true);
  store.want({ ...spec, layer: 5 });
  store.want(spec);
  assert.equal(sent.filter(({ kind }) => kind === "request").length, 2);
  assert.equal(store.pending, null);
});

test("the last good picture stays while the next is on its way, and after it failed", () => {
  const { store, requester, last, reply } = pair();
  store.want(spec);
  reply("head");
  store.want({ ...spec, layer: 5 });
  assert.equal(store.shown.layer_label, "layer 2");
  requester.receive({ kind: "reply", id: last().id, error: { name: "InputError", message: "no" } });
  assert.equal(store.shown.layer_label, "layer 2");
  assert.equal(store.failed.failure.message, "no");
});

test("what failed is not asked for again by itself, but on retry and after something else", () => {
  const { sent, store, requester, last } = pair();
  const requests = () => sent.filter(({ kind }) => kind === "request").length;
  store.want(spec);
  requester.receive({ kind: "reply", id: last().id, error: { name: "E", message: "no" } });
  store.want(spec);
  assert.equal(requests(), 1);
  store.retry();
  store.want(spec);
  assert.equal(requests(), 2);
});

test("a partial frame is shown and is not complete; cancelling keeps it and says where it stopped", () => {
  const { sent, store, requester, last } = pair();
  store.want(spec);
  const { header, buffers } = stored("head");
  const progress = {
    kind: "progress",
    id: last().id,
    what: "flow",
    done: 3,
    total: 9,
    elapsed_ms: 50,
  };
  requester.receive({ ...progress, data: header }, buffers);
  assert.equal(store.complete, false);
  assert.equal(store.pending.progress.done, 3);
  store.cancel();
  assert.equal(sent.at(-1).kind, "cancel");
  assert.equal(store.failed.failure.message, "Stopped at 3 of 9.");
  assert.ok(store.shown);
});

test("rows are asked for one at a time in the order of need, and kept", () => {
  const { sent, store, reply, last } = pair();
  store.want(spec);
  reply("head");
  const frame = store.shown;
  const needs = [
    { side: "query", index: 2 },
    { side: "key", index: 4 },
  ];
  store.wantRows(frame, needs);
  store.wantRows(frame, needs);
  assert.equal(sent.length, 2);
  assert.equal(last().data.index, 2);
  reply("row");
  assert.equal(store.exact(frame, "query", 2).index, 2);
  assert.equal(store.exact(frame, "key", 2), null);
  store.wantRows(frame, needs);
  assert.deepEqual([last().data.side, last().data.index], ["key", 4]);
});

test("a refused row is not asked for again and again", () => {
  const { sent, store, requester, reply, last } = pair();
  store.want(spec);
  reply("head");
  const needs = [{ side: "query", index: 2 }];
  store.wantRows(store.shown, needs);
  requester.receive({ kind: "reply", id: last().id, error: { name: "E", message: "no" } });
  store.wantRows(store.shown, needs);
  assert.equal(sent.filter(({ name }) => name === "row").length, 1);
});

test("a new capture makes old frames and rows worthless", () => {
  const { sent, store, reply } = pair();
  store.want(spec);
  reply("head");
  store.forget();
  store.want(spec);
  assert.equal(sent.filter(({ kind }) => kind === "request").length, 2);
});

test("work is said after a while, with its share where the length is known", () => {
  const traits = { method: "flow", running: "" };
  const store = {
    pending: { since: 1000, progress: { what: "flow", done: 1, total: 4, elapsed_ms: 1 } },
  };
  assert.equal(workOf(store, traits, 0, 1100).work, null);
  assert.equal(workOf(store, traits, 0, 1200).work.share, 0.25);
  const running = workOf(
    { pending: null },
    { ...traits, running: "running the model" },
    1000,
    3000,
  ).work;
  assert.deepEqual([running.what, running.total, running.share], ["running the model", 0, null]);
  assert.equal(workOf({ pending: null }, traits, 0, 1).again, null);
});

test("an error of a request is said until the user goes on; one of a run is not said here", () => {
  const error = {
    where: "request",
    name: "InputError",
    message: "layer must be 0 to 5, got 7.",
    id: 4,
  };
  const store = { failed: null };
  assert.equal(failureOf(store, { error }, 3).message, error.message);
  assert.equal(failureOf(store, { error }, 4), null);
  assert.equal(failureOf(store, { error: { ...error, where: "run" } }, 0), null);
});

test("a search that finds nothing and a kernel that is silent are said", () => {
  const given = {
    traits: { find: " zz " },
    noMatch: true,
    hasPicture: true,
    tooNarrow: false,
    kernelReplies: true,
  };
  assert.equal(noticeOf(given), "no token contains “zz”");
  assert.match(
    noticeOf({ ...given, noMatch: false, hasPicture: false, kernelReplies: false }),
    /kernel does not reply/,
  );
  assert.equal(noticeOf({ ...given, noMatch: false }), null);
});

test("a model without a kernel answers from what it has, and says what it has not", async () => {
  const { header, buffers } = stored("head");
  const model = new StaticModel({ capture_id: 1 }, (wanted) => {
    if (wanted.layer !== spec.layer) throw `layer ${wanted.layer} is not stored`;
    return { header, buffers };
  });
  const requester = new Requester((message) => model.send(message));
  model.on("msg:custom", (message, views) => requester.receive(message, views));
  const store = new Store(requester, () => {});
  store.want(spec);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(store.shown.layer_label, "layer 2");
  assert.deepEqual(store.shown.arrays.weights.data.length, buffers[0].byteLength);
  store.want({ ...spec, layer: 4 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.match(store.failed.failure.message, /layer 4 is not stored/);
});

/** The frame of a layer, with one array of so many bytes. */
function layerOf({ store, requester, last }, layer, bytes) {
  store.want({ ...spec, layer });
  const arrays = [{ name: "weights", dtype: "uint8", shape: [bytes] }];
  const data = { ...stored("head").header, spec: { ...spec, layer }, arrays };
  requester.receive({ kind: "reply", id: last().id, data }, [new Uint8Array(bytes)]);
}
const count = (sent, name) => sent.filter((each) => each.name === name).length;

test("frames are kept up to 48 MiB; the oldest goes first", () => {
  const given = pair();
  const { store, sent } = given;
  for (const layer of [0, 1, 2]) layerOf(given, layer, 20 * 2 ** 20);
  store.want({ ...spec, layer: 1 });
  assert.equal(count(sent, "frame"), 3); // kept
  store.want({ ...spec, layer: 0 });
  assert.equal(count(sent, "frame"), 4); // dropped
  layerOf(given, 5, 60 * 2 ** 20);
  assert.equal(store.shown.spec.layer, 5); // one frame is kept whatever its size
});

test("256 exact rows are kept; the oldest goes first", () => {
  const given = pair();
  const { store, requester, last, reply } = given;
  store.want(spec);
  reply("head");
  const frame = store.shown;
  const { header, buffers } = stored("row");
  for (let index = 0; index < 257; index++) {
    store.wantRows(frame, [{ side: "query", index }]);
    const data = { ...header, index };
    requester.receive({ kind: "reply", id: last().id, data }, buffers);
  }
  assert.equal(store.exact(frame, "query", 0), null);
  assert.equal(store.exact(frame, "query", 1).index, 1);
  assert.equal(store.exact(frame, "query", 256).index, 256);
});

test("a new capture drops finer regions too", () => {
  const given = pair();
  const { store, requester, last, sent } = given;
  layerOf(given, 0, 16);
  const region = { pool: 1, rows: [0, 4], columns: [0, 4] };
  const { shown } = store;
  assert.equal(store.finer(shown, region), null);
  const arrays = [{ name: "weights", dtype: "uint8", shape: [4, 4] }];
  requester.receive({ kind: "reply", id: last().id, data: { ...region, arrays } }, [
    new Uint8Array(16),
  ]);
  assert.equal(store.finer(shown, region).pool, 1);
  store.forget();
  assert.equal(store.finer(shown, region), null);
  assert.equal(count(sent, "region"), 2);
});
