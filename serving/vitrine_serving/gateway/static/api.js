/** Asks the gateway that this page came from: relative addresses, as it may sit below a path. */

let key = "";

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

/** The address of `path` for people and programs outside of this page. */
export const addressOf = (path) => new URL(path, new URL(".", document.baseURI)).href;

/** Returns the JSON at `path`. Throws `ApiError`, and `AbortError` if the signal says so. */
export async function get(path, signal) {
  return (await ask(path, { signal })).body;
}

/** Adds the box that was put by hand to a path, if there is one. */
export const withBox = (path, { box }) =>
  box ? `${path}${path.includes("?") ? "&" : "?"}box=${box}` : path;

/** Posts a picture. Returns the JSON, the milliseconds by stage, and those that it took in all. */
export async function post(path, picture, signal) {
  const type = picture.blob.type || "application/octet-stream";
  const options = { method: "POST", body: picture.blob, signal, headers: { "Content-Type": type } };
  const started = performance.now();
  const { body, headers } = await ask(withBox(path, picture), options);
  const stages = stagesIn(headers.get("Server-Timing") ?? "");
  return { body, stages, tookMs: performance.now() - started };
}

async function ask(path, options) {
  const headers = { ...options.headers };
  if (key) headers.Authorization = `Bearer ${key}`;
  let answer, text;
  try {
    answer = await fetch(path, { ...options, headers, cache: "no-store" });
    text = await answer.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The gateway does not answer. Is it running, and are you online?");
  }
  const body = parsed(text);
  if (!answer.ok) {
    const said = `${answer.status} ${answer.statusText}`.trim();
    throw new ApiError(answer.status, body?.detail || `The gateway says: ${said}`);
  }
  if (!body) throw new ApiError(answer.status, "What was answered is no JSON. Is this a gateway?");
  return { body, headers: answer.headers };
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
