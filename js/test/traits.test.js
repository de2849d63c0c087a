// Traits in and out, on a model that notes what is done with it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { createState } from "../src/wire/traits.js";

const pause = (ms) => new Promise((done) => setTimeout(done, ms));

function model(values = {}) {
  values = { info: { traits: ["view", "layer", "threshold", "heads"] }, ...values };
  const listeners = new Map();
  return {
    values,
    saves: 0,
    sent: [],
    get: (name) => values[name],
    set: (name, value) => (values[name] = value),
    save_changes() {
      this.saves += 1;
    },
    send(message) {
      this.sent.push(message);
    },
    on: (event, listener) => listeners.set(event, listener),
    off: (event) => listeners.delete(event),
    emit: (event, ...values) => listeners.get(event)?.(...values),
    listeners,
  };
}

test("what is set is in the page at once, and saved once after a moment", async () => {
  const given = model();
  const state = createState(given, new AbortController().signal);
  for (const threshold of [0.03, 0.04, 0.05]) state.set({ threshold });
  assert.equal(state.traits().threshold, 0.05);
  assert.equal(given.saves, 0);
  await pause(60);
  assert.equal(given.saves, 1);
  assert.equal(given.values.threshold, 0.05);
  state.set({ layer: 1 });
  await pause(60);
  assert.equal(given.saves, 2);
});

test("the last value of a slider is saved when the view closes before the moment is over", async () => {
  const given = model();
  const end = new AbortController();
  createState(given, end.signal).set({ threshold: 0.07 });
  end.abort();
  assert.equal(given.saves, 1);
  await pause(60);
  assert.equal(given.saves, 1); // and not twice
});

test("a view that closes with nothing unsaved saves nothing and stops listening", () => {
  const given = model();
  const end = new AbortController();
  createState(given, end.signal);
  assert.equal(given.listeners.size, 5); // four traits and messages
  end.abort();
  assert.deepEqual([given.saves, given.listeners.size], [0, 0]);
});

test("changes are reported by name, messages with their buffers", () => {
  const given = model();
  const state = createState(given, new AbortController().signal);
  given.emit("change:layer"); // nobody listens yet
  given.emit("msg:custom", {}, []);
  const seen = [];
  state.onChange((names) => seen.push([...names]));
  state.onMessage((message, buffers) => seen.push([message, buffers]));
  given.emit("change:view");
  given.emit("msg:custom", { id: 1 }, [2]);
  given.emit("msg:custom", { id: 2 });
  state.send({ id: 3 });
  assert.deepEqual(seen, [["view"], [{ id: 1 }, [2]], [{ id: 2 }, []]]);
  assert.deepEqual(given.sent, [{ id: 3 }]);
});

test("what Python confirms of an earlier change never undoes a newer one", async () => {
  const given = model({ layer: 3 });
  const state = createState(given, new AbortController().signal);
  state.set({ layer: 4 });
  await pause(60); // sent
  state.set({ layer: 5 });
  given.values.layer = 4; // the echo of the first change, before the second was sent
  assert.equal(state.traits().layer, 5);
  await pause(60);
  assert.deepEqual([given.values.layer, given.saves], [5, 2]);
  given.values.layer = 7; // set in Python: nothing is unsaved, so this stands
  assert.equal(state.traits().layer, 7);
});
