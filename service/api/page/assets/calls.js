/** Requests to the service: with the key where there is one, problems as errors, files to keep. */

const KEY = "braggle-key";
const byId = (id) => document.getElementById(id);

/** What the service refused, in the words of its problem document. */
export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail ?? `the service answered ${status}`);
    this.status = status;
  }
}

export async function call(path, options = {}) {
  const key = sessionStorage.getItem(KEY);
  const headers = new Headers(options.headers);
  if (key) headers.set("Authorization", `Bearer ${key}`);
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the service does not answer; see whether it still runs, and try again");
  }
  if (answer.ok) return answer;
  if (answer.status === 401 || answer.status === 403) askForKey();
  throw new Refused(answer.status, await answer.json().catch(() => ({})));
}

/** A form's body; values that are empty are left out. */
export function body(files, values = {}) {
  const form = new FormData();
  for (const file of files) form.append("file", file, file.name);
  for (const [name, value] of Object.entries(values)) if (value !== "" && value != null) form.append(name, value);
  return { method: "POST", body: form };
}

/** Let the browser keep content as a file. */
export function keep(content, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(content);
  link.download = name;
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/** Show what went wrong in an element with the role alert; null hides it. */
export function complain(element, error) {
  element.hidden = !error;
  const text = error?.message ?? "";
  // A name of a file stays as it is written.
  element.textContent = /^[a-z]+ /.test(text) ? text[0].toUpperCase() + text.slice(1) : text;
}

function askForKey() {
  byId("key-form").hidden = false;
  byId("key").focus();
}

byId("key-form").hidden = !sessionStorage.getItem(KEY);
byId("key").value = sessionStorage.getItem(KEY) ?? "";
byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = byId("key").value.trim();
  if (key) sessionStorage.setItem(KEY, key); else sessionStorage.removeItem(KEY);
  document.dispatchEvent(new Event("key"));
});

// A link cannot send a key; with one, its file is fetched here.
document.addEventListener("click", async (event) => {
  const link = event.target.closest('a[download][href^="/v1/"]');
  if (!link || !sessionStorage.getItem(KEY)) return;
  event.preventDefault();
  try {
    keep(await (await call(link.getAttribute("href"))).blob(), link.download);
  } catch (error) {
    complain(byId("problem"), error);
  }
});
