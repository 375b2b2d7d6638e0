/** Instance: the 28x28 pixels that models see of a picture, which is uploaded once to get them. */

import { ApiError, post } from "./api.js";
import { PictureError } from "./picture.js";

/** How the API refuses what is in no format of pictures; `images/files.py` has the text. */
const NO_PICTURE = "This is no picture";
const IMAGE = /^image\//;

/** What `seenOf` knows of a picture without asking; undefined if nothing. */
export const seenAlready = (picture) => picture.seen.get(String(picture.box));

/** Returns what models see of a picture, or of what lies in its box: { instance: 28 rows of 28
floats, array: bytes, empty, box, warnings, stages, tookMs }. Throws `ApiError`, `PictureError`. */
export async function seenOf(picture, signal) {
  const at = String(picture.box);
  if (!picture.seen.has(at)) picture.seen.set(at, await see(picture, signal));
  return picture.seen.get(at);
}

async function see(picture, signal) {
  const { box } = picture;
  const blob = await picture.content();
  signal.throwIfAborted();
  const answer = await post(boxed("v1/instances", box), blob, typeOf(blob), signal).catch((error) => {
    throw box ? error : refusal(error, picture.name);
  });
  const { instances, boxes, warnings } = answer.body;
  return {
    instance: instances[0],
    array: arrayOf(instances[0]),
    empty: boxes?.[0] === null,
    box: boxes?.[0] ?? null,
    warnings: warnings?.[0] ?? [],
    stages: answer.stages,
    tookMs: answer.tookMs,
  };
}

/** Adds a box to a path, if there is one. */
export const boxed = (path, box) => (box ? `${path}?box=${box}` : path);

/** The content type to send a picture as: of what the browser takes for none, the bytes decide. */
export const typeOf = ({ type }) => (IMAGE.test(type) ? type : "application/octet-stream");

/** The media type of `arrayOf`. Arrays go to models as they are; a 28x28 PNG would be a picture, in
which the gateway looks for the item again, and in one of hundreds finds another. */
export const ARRAY = "application/x-npy";

/** Returns the bytes of uint8 [1, 28, 28] as NumPy keeps it:
https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html */
function arrayOf(rows) {
  const [height, width] = [rows.length, rows[0].length];
  const about = `{'descr': '|u1', 'fortran_order': False, 'shape': (1, ${height}, ${width}), }`;
  const header = `\x93NUMPY\x01\0\x76\0${about.padEnd(117)}\n`; // 118 bytes behind the first ten
  const levels = rows.flat().map((each) => Math.round(255 * each));
  return Uint8Array.from([...Array.from(header, (each) => each.charCodeAt(0)), ...levels]);
}

function refusal(error, name) {
  if (!(error instanceof ApiError) || error.status !== 400) return error;
  if (!error.message.startsWith(NO_PICTURE)) return new PictureError(`“${name}”: ${error.message}`);
  return new PictureError(`“${name}” is no picture. Choose a PNG, JPEG, WebP or another picture.`);
}
