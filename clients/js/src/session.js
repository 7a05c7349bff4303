/**
 * What a client has seen: the highest revision that any answer told. Sent with each
 * read, it makes another node wait until it has seen as much.
 */
export class Session {
  #revision = "";

  /** @param {string} [revision] */
  constructor(revision = "") {
    this.see(checked(revision));
  }

  get revision() {
    return this.#revision;
  }

  /** @param {string | null} revision of an answer */
  see(revision) {
    if (revision && later(revision, this.#revision)) this.#revision = revision;
  }
}

/** A text that may stand in a header, and is no longer than any revision. */
export function checked(revision) {
  if (typeof revision !== "string" || !/^[!-~]{0,64}$/.test(revision)) {
    throw new TypeError("a session is the text that session() returned");
  }
  return revision;
}

// Answers may overtake each other, so the order matters. Revisions are numbers
// today; of two that are not, the one heard last counts.
function later(a, b) {
  if (!/^\d+$/.test(a) || !/^\d+$/.test(b)) return true;
  return a.length !== b.length ? a.length > b.length : a > b;
}
