/** Rectangles in a picture, [x, y, width, height] in its pixels, as the API has its boxes.

`size` is the picture's { width, height }; what comes out lies inside it and is never empty. */

const LEAST = 0.02; // of the longer side: less can hardly be taken hold of

/** Moves a rectangle by [x, y], as far as the picture goes. */
export function moved([x, y, width, height], [right, down], size) {
  return [
    within(x + right, 0, size.width - width),
    within(y + down, 0, size.height - height),
    width,
    height,
  ];
}

/** Moves some edges by [x, y]: `edges` has their directions, like "n" or "se". */
export function resized(rectangle, edges, [right, down], size) {
  let [west, north, east, south] = edgesOf(rectangle);
  const [wide, high] = [least(size, size.width), least(size, size.height)];
  if (edges.includes("w")) west = Math.max(0, Math.min(west + right, east - wide));
  if (edges.includes("e")) east = Math.min(size.width, Math.max(east + right, west + wide));
  if (edges.includes("n")) north = Math.max(0, Math.min(north + down, south - high));
  if (edges.includes("s")) south = Math.min(size.height, Math.max(south + down, north + high));
  return [west, north, east - west, south - north];
}

/** Moves all edges outwards, or inwards by a negative number of pixels. */
export function grown(rectangle, by, size) {
  const half = rectangle.slice(2).map((side) => Math.max(by, -side / 3)); // its middle stays in it
  const outer = resized(rectangle, "nw", half.map((each) => -each), size);
  return resized(outer, "se", half, size);
}

/** The rectangle between two points [x, y], which may lie outside of the picture. */
export function between(one, other, size) {
  const [x, y] = [0, 1].map((axis) => Math.min(one[axis], other[axis]));
  const [right, down] = [0, 1].map((axis) => Math.abs(one[axis] - other[axis]));
  const west = within(x, 0, size.width - least(size, size.width));
  const north = within(y, 0, size.height - least(size, size.height));
  const start = [west, north, 0, 0];
  return resized(start, "se", [x + right - west, y + down - north], size);
}

/** The middle of a picture, half as wide and high. */
export function middle({ width, height }) {
  return rounded([width / 4, height / 4, width / 2, height / 2], { width, height });
}

/** Whole pixels, at least one each way. */
export function rounded(rectangle, { width, height }) {
  const [west, north, east, south] = edgesOf(rectangle).map(Math.round);
  const [x, y] = [Math.min(west, width - 1), Math.min(north, height - 1)];
  return [x, y, Math.max(east, x + 1) - x, Math.max(south, y + 1) - y];
}

/** Whether two are the same; null is none. */
export const same = (one, other) => String(one) === String(other);

const within = (value, low, high) => Math.min(Math.max(value, low), high);
const least = ({ width, height }, side) =>
  Math.min(side, Math.max(1, LEAST * Math.max(width, height)));
const edgesOf = ([x, y, width, height]) => [x, y, x + width, y + height];
