// What both pages share: they show what they read, tell the test of it, and send by WebSockets until the test has enough.
"use strict";

const asked = new URLSearchParams(location.search);
const server = asked.get("server");
const me = asked.get("me");
const JOIN = `${server}/chatpb.ChatService/JoinChannel?name=tea&tailwater-limit=100000`;
const SEND = `${server}/chatpb.ChatService/SendMessage`;
// gRPC statuses after which the same call may go well: UNKNOWN, ABORTED, INTERNAL, UNAVAILABLE.
const WORTH_A_RETRY = [2, 10, 13, 14];

const pause = (milliseconds) => new Promise((go) => setTimeout(go, milliseconds));

async function tellTest(path, body) {
  const answer = await fetch(`${path}?who=${me}`, { method: "POST", body });
  return answer.text();
}

function fail(why) {
  tellTest("/failed", String(why));
}

// What was read and will not come again: shown, and told in order.
const seen = [];
let told = 0;
let telling = false;

async function accept(messages) {
  for (const { sender, message } of messages) {
    const line = `${sender}: ${message}`;
    seen.push(line);
    const item = document.createElement("li");
    item.textContent = line;
    document.querySelector("ol").prepend(item);
  }
  document.querySelector("h2").textContent = `${seen.length} messages`;
  if (telling) return;
  telling = true;
  while (told < seen.length) {
    const lines = seen.slice(told);
    await tellTest("/seen", JSON.stringify({ at: told, lines }));
    told += lines.length;
  }
  telling = false;
}

// One call: the messages, an empty frame, and the answer.
function sendOnce(key, texts) {
  return new Promise((done, failed) => {
    const socket = new WebSocket(`ws://${SEND}?idempotency-key=${key}`);
    socket.onopen = () => {
      for (const message of texts) {
        socket.send(JSON.stringify({ sender: me, channel: { name: "tea" }, message }));
      }
      socket.send("");
    };
    socket.onmessage = (event) => done(JSON.parse(event.data).status);
    socket.onclose = (event) => {
      if (event.code >= 4000 && !WORTH_A_RETRY.includes(event.code - 4000)) fail(`${event.code} ${event.reason}`);
      failed(event.code); // No news to who has the answer already.
    };
  });
}

// Sends messages once, however often it takes.
async function send(key, texts) {
  for (;;) {
    try {
      return await sendOnce(key, texts);
    } catch {
      await pause(100);
    }
  }
}

// Numbered messages, so many a call, until the test has enough.
async function talk(batch) {
  for (let first = 0; ; first += batch) {
    const texts = Array.from({ length: batch }, (_, i) => String(first + i));
    if (first % 7 === 0) await send(`${me}-${first}`, texts); // as if its answer had been lost
    const status = await send(`${me}-${first}`, texts);
    if (!status.startsWith(`stored ${batch}, lsn `)) fail(status);
    if ((await tellTest("/sent", String(first + batch))) === "enough") return;
  }
}
