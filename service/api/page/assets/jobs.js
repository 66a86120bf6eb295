/** A job from its start to its end, with its progress, and a button that cancels it. */

import { call } from "./calls.js";

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Each server-sent event of an answer: its kind, its id and its document. */
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
      if (fields.data) yield { kind: fields.event, id: fields.id, document: JSON.parse(fields.data) };
    }
  }
}

function show(area, job) {
  const { done, total, stage } = job.progress, bar = area.querySelector("progress"), said = area.querySelector("[role=status]");
  if (total) { bar.max = total; bar.value = done; } else bar.removeAttribute("value");
  const words = job.stopping ? "being cancelled" : job.state === "queued" ? "waits for its turn" : stage.replaceAll("_", " ");
  const text = total && job.state === "running" ? `${words}, ${done} of ${total}` : words;
  if (said.textContent !== text) said.textContent = text;
}

/**
 * Ask for a job and wait for its end; the document it ended with, null when it was cancelled.
 * `area` shows how far it is, `part` takes what it shows of its result on the way.
 */
export async function run(path, request, area, part = () => {}) {
  const cancel = area.querySelector("button");
  let job = await (await call(path, request)).json(), last = "";
  const { self, events: stream, result } = job.links;
  const stop = () => call(self, { method: "DELETE" }).then((answer) => answer.json()).then((now) => show(area, now)).catch(() => {});
  cancel.addEventListener("click", stop);
  area.hidden = false;
  show(area, job);
  try {
    while (!job.ended_at) {
      try {
        const headers = last ? { "Last-Event-ID": last } : {};
        for await (const { kind, id, document } of events(await call(`${stream}?parts=true`, { headers }))) {
          last = id;
          if (kind === "part") part(document); else show(area, (job = document));
        }
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
