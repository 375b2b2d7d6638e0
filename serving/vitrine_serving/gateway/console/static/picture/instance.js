/** Instance: the pixels that models see of a picture, which is uploaded to get them. */

import { ApiError, post } from "../api.js";
import { PictureError } from "./picture.js";
import { pixelsOf } from "./pixels.js";

/** Where the gateway tells what all models see that take pictures as rows of Fashion-MNIST; of any
other model, `sightOf` its path. */
export const SHARED = "v1/instances";
export const sightOf = (path) => `${path}:instances`;

/** How the API refuses what is in no format of pictures; `images/files.py` has the text. */
const NO_PICTURE = "This is no picture";
const IMAGE = /^image\//;

/** What `seenOf` knows of a picture without asking; undefined if nothing. */
export const seenAlready = (picture, sight) => picture.seen.get(boxed(sight, picture.box));

/** Returns what models see of a picture, or of what lies in its box: { pixels, empty, box, warnings,
stages, tookMs, body, type, sentBox }. The last three are what those models are asked with; what it
took is told where it is not asked for again then. Throws `ApiError`, `PictureError`. */
export async function seenOf(picture, sight, signal) {
  const at = boxed(sight, picture.box);
  if (!picture.seen.has(at)) picture.seen.set(at, await see(picture, sight, signal));
  return picture.seen.get(at);
}

async function see(picture, sight, signal) {
  const { box } = picture;
  const blob = await picture.content();
  signal.throwIfAborted();
  const answer = await post(boxed(sight, box), blob, typeOf(blob), signal).catch((error) => {
    throw box ? error : refusal(error, picture.name);
  });
  const { instances, boxes, warnings } = answer.body;
  return {
    pixels: pixelsOf(instances[0]),
    empty: boxes?.[0] === null,
    box: boxes?.[0] ?? null,
    warnings: warnings?.[0] ?? [],
    ...(sight === SHARED ? sentAsArray(instances[0], answer) : sentAsPicture(blob, box)),
  };
}

/** Of these models all get the same, bit for bit, so one upload is enough. */
const sentAsArray = (rows, { stages, tookMs }) => ({
  ...{ body: arrayOf(rows), type: ARRAY, sentBox: null },
  ...{ stages, tookMs },
});

/** Any other makes its own of it: levels that are no whole numbers, say. */
const sentAsPicture = (blob, box) => ({
  ...{ body: blob, type: typeOf(blob), sentBox: box },
  ...{ stages: {}, tookMs: 0 },
});

/** Adds a box to a path, if there is one. */
export function boxed(path, box) {
  if (!box) return path;
  return `${path}${path.includes("?") ? "&" : "?"}box=${box}`;
}

/** The content type to send a picture as: of what the browser takes for none, the bytes decide. */
export const typeOf = ({ type }) => (IMAGE.test(type) ? type : "application/octet-stream");

/** The media type of `arrayOf`. Arrays go to models as they are; a 28x28 PNG would be a picture, in
which the gateway looks for the item again, and in one of hundreds finds another. */
const ARRAY = "application/x-npy";

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
