/** Picture given to the page. Its bytes are read once, and so are the pixels that models see of it. */

export class Picture {
  /** `path` is how a shell in a clone would name the file, `sample` the name of a sample, `unsaved`
  whether there is no such file yet, and `read()` returns a promise of a `Blob` in memory, or
  throws `PictureError` or `ApiError`. */
  constructor({ name, path = name, sample = null, unsaved = false, read }) {
    Object.assign(this, { name, path, sample, unsaved, read });
    this.box = null; // [x, y, width, height] that was put by hand
    this.seen = new Map(); // by where it was asked for, what models see
  }

  /** Its bytes; where reading them failed, they are read again. */
  async content() {
    this.reading ??= this.read().catch((error) => {
      this.reading = null;
      throw error;
    });
    return this.reading;
  }
}

/** What is wrong with a picture itself: no gateway is to blame, and the same would fail again. */
export class PictureError extends Error {
  constructor(message) {
    super(message);
    this.name = "PictureError";
  }
}

/** Returns the picture of a file. It is read at once: the file may change or go any time. */
export function pictureOf(file, options = {}) {
  const picture = new Picture({ name: file.name, read: () => inMemory(file), ...options });
  picture.content().catch(() => {}); // whoever asks for it is told
  return picture;
}

const mostBytes = () => Number(document.querySelector("meta[name=max-body-bytes]").content);

async function inMemory(file) {
  const called = `“${file.name}”`;
  if (file.size > mostBytes()) {
    const [has, most] = [file.size, mostBytes()].map(megabytes);
    throw new PictureError(
      `${called} has ${has}, and this gateway takes ${most} at most. Make the picture smaller.`,
    );
  }
  let bytes;
  try {
    bytes = await file.arrayBuffer();
  } catch (error) {
    throw new PictureError(`${called} ${WHY_UNREAD[error.name] ?? "cannot be read"}. Choose it again.`);
  }
  if (!bytes.byteLength) throw new PictureError(`${called} is empty. Choose another picture.`);
  return new Blob([bytes], { type: file.type });
}

// https://w3c.github.io/FileAPI/#ErrorDescriptions
const WHY_UNREAD = {
  NotFoundError: "is not there any more: it was moved or deleted",
  NotReadableError: "cannot be read: it has changed since you chose it, or you may not open it",
};

const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
