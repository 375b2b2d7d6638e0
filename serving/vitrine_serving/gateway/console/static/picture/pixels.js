/** Pixels that models see of a picture, grey or in colour, drawn on a canvas. */

const MOST_SIDE = 1024; // that is drawn; of a larger side every second pixel, or third, and so on

/** Returns the pixels of an instance, floats in 0..1 as [h][w] of grey or [h][w][c] of grey, RGB or
RGBA, for drawing: { height, width, colour: whether there is any, rows, columns, rgb }; the last is
uint8 [rows * columns * 3] on black. */
export function pixelsOf(instance) {
  const [height, width] = [instance.length, instance[0].length];
  const step = Math.ceil(Math.max(height, width) / MOST_SIDE);
  const [rows, columns] = [height, width].map((side) => Math.ceil(side / step));
  const rgb = new Uint8ClampedArray(3 * rows * columns);
  for (let at = 0; at < rows * columns; at++) {
    const [row, column] = [Math.floor(at / columns), at % columns];
    rgb.set(levelsOf(instance[step * row][step * column]), 3 * at);
  }
  return { height, width, colour: instance[0][0].length > 1, rows, columns, rgb };
}

function levelsOf(pixel) {
  const [red, green = red, blue = red, alpha = 1] = Array.isArray(pixel) ? pixel : [pixel];
  return [red, green, blue].map((each) => Math.round(255 * alpha * each));
}

/** Draws with `colour(row, column, rgb)`, which returns [red, green, blue] in 0..255 for what has
`rgb` in `pixels`. */
export function paint(canvas, { rows, columns, rgb }, colour) {
  [canvas.height, canvas.width] = [rows, columns];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  for (let at = 0; at < rows * columns; at++) {
    const shown = colour(Math.floor(at / columns), at % columns, rgb.subarray(3 * at, 3 * at + 3));
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * at + channel] = Math.round(shown[channel]);
    }
    image.data[4 * at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** Draws them as they are. */
export const drawPixels = (canvas, pixels) => paint(canvas, pixels, (row, column, rgb) => rgb);

/** Makes it black. */
export function wipe(canvas) {
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}
