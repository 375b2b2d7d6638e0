/** Client of the gateway that this page came from: relative addresses, as it may sit below a path. */

const LONGEST_WAIT_S = 60; // that a limit of the rate is waited for
const JITTER_MS = 250; // so that all that wait do not ask in the same moment

let key = "";
let waiting = 0; // requests that are to be asked again
let onWaiting = () => {};

/** What the gateway, or the way to it, refuses; `status` is 0 where nobody answered. */
export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.name = "ApiError";
    this.status = status;
  }
}

/** Sends this API key from now on. It is kept nowhere else. */
export function useKey(given) {
  key = given;
}

/** Whether a key is sent. */
export const hasKey = () => key !== "";

/** Calls `listener(seconds)` when requests have to wait for the rate limit, with 0 when none does. */
export function tellWaiting(listener) {
  onWaiting = listener;
}

/** The address of `path` for people and programs outside of this page. */
export const addressOf = (path) => new URL(path, new URL(".", document.baseURI)).href;

/** Returns the JSON at `path`. Throws `ApiError`, and `AbortError` if the signal says so. */
export async function get(path, signal) {
  return (await ask(path, { signal })).body;
}

/** Posts bytes. Returns the JSON, its text, the id of the request, the milliseconds by stage, and
those in all. */
export async function post(path, bytes, type, signal) {
  const options = { method: "POST", body: bytes, signal, headers: { "Content-Type": type } };
  const { body, text, headers, tookMs } = await ask(path, options);
  const requestId = headers.get("X-Request-ID");
  return { body, text, requestId, stages: stagesIn(headers.get("Server-Timing") ?? ""), tookMs };
}

/** Says what is amiss where nobody answers: offline, it is not the gateway. */
export const silence = () =>
  navigator.onLine
    ? "The gateway does not answer. Is it running?"
    : "You are offline, so the gateway does not answer.";

async function ask(path, options) {
  const until = performance.now() + 1000 * LONGEST_WAIT_S;
  for (;;) {
    const answer = await fetched(path, options);
    const seconds = Number(answer.headers.get("Retry-After"));
    const mayWait = seconds > 0 && performance.now() + 1000 * seconds < until;
    if (answer.status !== 429 || !mayWait) return checked(answer);
    await pause(seconds, options.signal);
  }
}

async function fetched(path, options) {
  const headers = { ...options.headers };
  if (key) headers.Authorization = `Bearer ${key}`;
  const started = performance.now();
  try {
    const answer = await fetch(path, { ...options, headers, cache: "no-store" });
    const text = await answer.text();
    const { ok, status, statusText } = answer;
    return { ok, status, statusText, text, headers: answer.headers, tookMs: performance.now() - started };
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, silence());
  }
}

function checked(answer) {
  const body = parsed(answer.text);
  if (!answer.ok) {
    const said = `${answer.status} ${answer.statusText}`.trim();
    throw new ApiError(answer.status, body?.detail || `The gateway says: ${said}`);
  }
  if (!body) throw new ApiError(answer.status, "What was answered is no JSON. Is this a gateway?");
  return { ...answer, body };
}

async function pause(seconds, signal) {
  waiting++;
  onWaiting(seconds);
  try {
    await new Promise((resolve, reject) => {
      const timer = setTimeout(resolve, 1000 * seconds + JITTER_MS * Math.random());
      signal?.addEventListener("abort", () => {
        clearTimeout(timer);
        reject(signal.reason);
      });
    });
  } finally {
    if (!--waiting) onWaiting(0);
  }
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // of a proxy on the way, perhaps
  }
}

/** {"decode": 0.4, …} of a Server-Timing header: https://www.w3.org/TR/server-timing/ */
function stagesIn(header) {
  const found = [...header.matchAll(/([\w-]+)\s*;\s*dur=([\d.]+)/g)];
  return Object.fromEntries(found.map(([, name, duration]) => [name, Number(duration)]));
}
