/** Draws the 28x28 pixels that the models see. */

const SIDE = 28;

/** Draws with `colour(row, column)`, which returns [red, green, blue] in 0..255. */
export function paint(canvas, colour) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(SIDE, SIDE);
  for (let index = 0; index < SIDE * SIDE; index++) {
    const rgb = colour(Math.floor(index / SIDE), index % SIDE);
    image.data.set([...rgb.map(Math.round), 255], 4 * index);
  }
  context.putImageData(image, 0, 0);
}

/** Draws an instance, 28 rows of 28 floats in 0..1. */
export function drawInstance(canvas, instance) {
  paint(canvas, (row, column) => Array(3).fill(255 * instance[row][column]));
}

/** Makes it black. */
export function wipe(canvas) {
  canvas.getContext("2d").clearRect(0, 0, SIDE, SIDE);
}
