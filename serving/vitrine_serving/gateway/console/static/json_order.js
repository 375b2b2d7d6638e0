/** Order of the members of JSON objects. JavaScript puts names like "7" first, JSON does not. */

// A string and, behind a name, its colon. In JSON no quote stands outside of a string.
const STRING = /"((?:[^"\\]|\\.)*)"(\s*:)?/g;

/** Returns the class probabilities of the first prediction in an answer of `:predict`, in the order
of the class ids, which the API promises: [[label, probability], …]. */
export function probabilitiesIn(text) {
  let names = 0; // makes each of them a name of its own that is no number
  const marked = text.replace(STRING, (whole, content, colon) =>
    colon ? `"${names++}=${content}"${colon}` : whole,
  );
  const [first] = member(JSON.parse(marked), "predictions");
  return members(member(first, "probabilities"));
}

const members = (object) =>
  Object.entries(object).map(([name, value]) => [name.slice(name.indexOf("=") + 1), value]);

const member = (object, wanted) => members(object).find(([name]) => name === wanted)[1];
