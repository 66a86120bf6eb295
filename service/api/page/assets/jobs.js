/** A job from its start to its end, with its progress, and a button that cancels it. */

import { call } from "./calls.js";

const byId = (id) => document.getElementById(id);
const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Each server-sent event of an answer: its kind and its document. */
async function* events(answer) {
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value.replaceAll("\r", "");
    const whole = text.split("\n\n");
    text = whole.pop();
    for (const one of whole) {
      const fields = Object.fromEntries(
        one.split("\n").filter((line) => line && !line.startsWith(":")).map((line) => line.split(/: ?(.*)/s)));
      if (fields.data) yield JSON.parse(fields.data);
    }
  }
}

function show(job) {
  const { done, total, stage } = job.progress, bar = byId("bar");
  if (total) { bar.max = total; bar.value = done; } else bar.removeAttribute("value");
  const words = job.stopping ? "being cancelled" : job.state === "queued" ? "waits for its turn" : stage.replaceAll("_", " ");
  const said = total && job.state === "running" ? `${words}, ${done} of ${total}` : words;
  if (byId("stage").textContent !== said) byId("stage").textContent = said;
}

/** Ask for a job and wait for its end; the document it ended with, null when it was cancelled. */
export async function run(path, request) {
  const area = byId("job"), cancel = byId("cancel");
  let job = await (await call(path, request)).json();
  const { self, events: stream, result } = job.links;
  const stop = () => call(self, { method: "DELETE" }).then((answer) => answer.json()).then(show).catch(() => {});
  cancel.addEventListener("click", stop);
  area.hidden = false;
  show(job);
  try {
    while (!job.ended_at) {
      try {
        for await (job of events(await call(stream))) show(job);
      } catch (error) {
        if (error.status) throw error; // refused; a stream that broke off is begun again
      }
      if (!job.ended_at) await pause(2000);
    }
  } finally {
    area.hidden = true;
    cancel.removeEventListener("click", stop);
  }
  if (job.state === "cancelled") return null;
  if (job.state === "failed") throw new Error(job.problem?.detail ?? "the job failed");
  return (await call(result)).json();
}
