/** Newest question: it ends all that older ones still wait for, whatever they came from. */

export class Newest {
  /** Begins a question. Returns the `AbortSignal` that says when a newer one has begun. */
  begin() {
    this.controller?.abort();
    this.controller = new AbortController();
    return this.controller.signal;
  }
}
