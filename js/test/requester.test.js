import assert from "node:assert/strict";
import { test } from "node:test";
import { Requester } from "../src/wire/requests.js";

function pair() {
  const sent = [];
  const got = [];
  const requester = new Requester((message) => sent.push(message), "s");
  const handlers = (label) => ({
    reply: (data) => got.push([label, "reply", data]),
    fail: (failure) => got.push([label, "fail", failure.name]),
    progress: (progress, data) => got.push([label, "progress", progress.done, data]),
  });
  return { sent, got, requester, handlers };
}

test("a reply reaches the one who asked, once", () => {
  const { sent, got, requester, handlers } = pair();
  const id = requester.request("frame", { layer: 2 }, handlers("a"));
  assert.deepEqual(sent, [{ kind: "request", id, name: "frame", data: { layer: 2 } }]);
  requester.receive({ kind: "reply", id, data: 1 });
  requester.receive({ kind: "reply", id, data: 2 });
  assert.deepEqual(got, [["a", "reply", 1]]);
});

test("the newest of a name wins: the older is cancelled and its late reply dropped", () => {
  const { sent, got, requester, handlers } = pair();
  const old = requester.request("row", {}, handlers("old"));
  const other = requester.request("frame", {}, handlers("frame"));
  const fresh = requester.request("row", {}, handlers("new"));
  assert.deepEqual(
    sent.map((m) => [m.kind, m.id]),
    [
      ["request", old],
      ["request", other],
      ["cancel", old],
      ["request", fresh],
    ],
  );
  requester.receive({ kind: "reply", id: old, data: "late" });
  requester.receive({ kind: "reply", id: fresh, data: "fresh" });
  requester.receive({ kind: "reply", id: other, data: "frame" });
  assert.deepEqual(got, [
    ["new", "reply", "fresh"],
    ["frame", "reply", "frame"],
  ]);
});

test("errors and progress are handed on; progress does not end the request", () => {
  const { got, requester, handlers } = pair();
  const id = requester.request("frame", {}, handlers("a"));
  requester.receive({
    kind: "progress",
    id,
    what: "flow",
    done: 3,
    total: 9,
    elapsed_ms: 5,
    data: "part",
  });
  assert.ok(requester.isWaiting("frame"));
  requester.receive({ kind: "reply", id, error: { name: "InputError", message: "no" } });
  assert.deepEqual(got, [
    ["a", "progress", 3, "part"],
    ["a", "fail", "InputError"],
  ]);
  assert.ok(!requester.isWaiting("frame"));
});

test("messages of another view of the same model are not ours", () => {
  const { got, requester, handlers } = pair();
  requester.request("frame", {}, handlers("a"));
  requester.receive({ kind: "reply", id: "other-0", data: 1 });
  requester.receive(undefined);
  requester.receive({ kind: "custom" });
  assert.deepEqual(got, []);
});

test("closing cancels what is open, and says goodbye", () => {
  const { sent, requester, handlers } = pair();
  const id = requester.request("frame", {}, handlers("a"));
  requester.close();
  assert.deepEqual(sent.slice(1), [
    { kind: "cancel", id },
    { kind: "bye", id: id.slice(0, id.lastIndexOf("-")) },
  ]);
});

test("where the line is cut a request fails with what to do, after the call, and a goodbye does nothing", async () => {
  const got = [];
  const requester = new Requester(() => {
    throw new Error("Cannot send");
  }, "s");
  requester.request(
    "frame",
    {},
    { reply: () => got.push("reply"), fail: ({ remedy }) => got.push(remedy) },
  );
  assert.deepEqual(got, []);
  await Promise.resolve();
  assert.deepEqual(got, ["Run the cell again."]);
  assert.ok(!requester.isWaiting("frame"));
  requester.request("row", {}, { reply: () => got.push("reply"), fail: () => got.push("late") });
  requester.close();
  await Promise.resolve();
  assert.deepEqual(got, ["Run the cell again."]);
});

test("while a reply is late the page sends small messages, and none when it has come", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { sent, requester, handlers } = pair();
  const pings = () => sent.filter(({ kind }) => kind === "ping").length;
  const id = requester.request("frame", {}, handlers("a"));
  t.mock.timers.tick(299);
  assert.equal(pings(), 0);
  t.mock.timers.tick(1);
  assert.equal(pings(), 1);
  for (let s = 0; s < 30; s++) t.mock.timers.tick(1000);
  const inAll = pings();
  assert.ok(inAll > 15 && inAll < 25, String(inAll));
  requester.receive({ kind: "reply", id, data: 1 });
  for (let s = 0; s < 10; s++) t.mock.timers.tick(1000);
  assert.equal(pings(), inAll);
  requester.request("frame", {}, handlers("b"));
  requester.close();
  for (let s = 0; s < 10; s++) t.mock.timers.tick(1000);
  assert.equal(pings(), inAll);
});
