/** Profiles of models, as far as the page needs them: what they see, and what their figures are. */

import { ApiError, get } from "../api.js";
import { SHARED, sightOf } from "../picture/instance.js";

/** What a model says that takes pictures as rows of Fashion-MNIST, and answers with shares. */
const FASHION_MNIST = {
  signature: "serving_default",
  input: "images",
  shape: [28, 28],
  dtype: "float32",
  scaling: "0..1",
  polarity: "as is",
  fit: "item",
  resize: "bilinear",
  output: "probabilities",
  kind: "probabilities",
};
const UNKNOWN = { sight: SHARED, kind: "probabilities", assumptions: [], sources: {}, reason: "" };

const known = new Map(); // by the path of a variant, promises

/** Returns { sight, kind, assumptions, sources, reason } of a variant, asked for once: where to ask
what it sees, what its figures are, sentences on what nobody told of it, and who told each other
member; `reason` says why no picture can be sent to it. Never throws `ApiError`: where it cannot be
had, the model itself says why. */
export function profileOf({ path }) {
  if (!known.has(path)) known.set(path, load(path));
  return known.get(path);
}

/** Has it asked for again: another version may answer by now. */
export const forgetProfile = ({ path }) => known.delete(path);

async function load(path) {
  try {
    const { profile, assumptions, reason } = await get(`${path}/profile`);
    if (!profile) return { ...UNKNOWN, reason };
    const isShared = Object.entries(FASHION_MNIST).every(([name, value]) => same(profile[name], value));
    const { kind, sources } = profile;
    return { sight: isShared ? SHARED : sightOf(path), kind, assumptions, sources, reason: "" };
  } catch (error) {
    known.delete(path);
    if (!(error instanceof ApiError)) throw error;
    return UNKNOWN;
  }
}

const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
