/** Turns WebP files upright by their EXIF, as the API does: Chromium shows them as they lie. */

const ORIENTATION = 0x0112;
// By orientation, a matrix [a, b, c, d] of `CanvasRenderingContext2D.transform`.
const TURNS = {
  2: [-1, 0, 0, 1],
  3: [-1, 0, 0, -1],
  4: [1, 0, 0, -1],
  5: [0, 1, 1, 0],
  6: [0, 1, -1, 0],
  7: [0, -1, -1, 0],
  8: [0, -1, 1, 0],
};

/** Returns the picture in a blob upright: the blob itself, or another. */
export async function upright(blob) {
  if (blob.type !== "image/webp") return blob;
  try {
    const turn = TURNS[orientationOf(new DataView(await blob.arrayBuffer()))];
    if (!turn) return blob;
    return await turned(await createImageBitmap(blob, { imageOrientation: "none" }), turn);
  } catch {
    return blob; // damaged: who shows it says so
  }
}

function turned(bitmap, [a, b, c, d]) {
  const canvas = document.createElement("canvas");
  const { width, height } = bitmap;
  [canvas.width, canvas.height] = a ? [width, height] : [height, width];
  const right = a < 0 || c < 0 ? canvas.width : 0;
  const down = b < 0 || d < 0 ? canvas.height : 0;
  const context = canvas.getContext("2d");
  context.setTransform(a, b, c, d, right, down);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return new Promise((resolve) => canvas.toBlob(resolve, "image/webp", 0.9));
}

/** The EXIF orientation in a WebP file, 1 where it has none. Throws `RangeError` if cut off. */
function orientationOf(file) {
  let at = 12;
  while (at < file.byteLength && file.getUint32(at) !== 0x45584946 /* EXIF */) {
    const bytes = file.getUint32(at + 4, true);
    at += 8 + bytes + (bytes % 2);
  }
  if (at >= file.byteLength) return 1;
  const prefix = file.getUint32(at + 8) === 0x45786966 /* Exif */ ? 6 : 0;
  return orientationIn(new DataView(file.buffer, at + 8 + prefix));
}

function orientationIn(tiff) {
  const little = tiff.getUint16(0) === 0x4949;
  const directory = tiff.getUint32(4, little);
  const entries = tiff.getUint16(directory, little);
  for (let at = directory + 2; at < directory + 2 + 12 * entries; at += 12) {
    if (tiff.getUint16(at, little) === ORIENTATION) return tiff.getUint16(at + 8, little);
  }
  return 1;
}
