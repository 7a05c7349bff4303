import { decoded, expirationOf, revisionOf } from "./answer.js";
import { boundText } from "./keys.js";
import { scanned } from "./scan.js";
import { Final } from "./transport.js";

/** What a key holds, or held from one revision to another. */
function version(v) {
  return {
    ...scanned(v), state: v.state,
    ...(v.until !== undefined && { until: v.until }),
    ...(v.ended !== undefined && { ended: v.ended }),
  };
}

export function versionsPage(page) {
  return { versions: page.versions.map(version), since: page.since, cursor: page.cursor || undefined };
}

/** A value of earlier, with what the answer's head tells of it. */
export async function earlierEntry(res, type) {
  const expiration = expirationOf(res);
  const until = res.headers.get("Godwit-Until");
  return {
    metadata: metadataOf(res), revision: revisionOf(res), modified: Number(res.headers.get("Godwit-Modified")),
    ...(expiration !== undefined && { expiration }), ...(until && { until }),
    value: await decoded(res, type),
  };
}

function metadataOf(res) {
  const text = res.headers.get("Godwit-Metadata");
  try {
    return text ? JSON.parse(decodeURIComponent(text)) : null;
  } catch (e) {
    throw new Final(e); // it is not the server's, or not as it was sent
  }
}

export function undeleted({ revision, expiration, version: v }) {
  return { revision, ...(expiration !== undefined && { expiration }), version: version(v) };
}

/** A moment as the server reads it. */
export function momentText(moment) {
  if (moment instanceof Date && !Number.isNaN(moment.getTime())) return moment.toISOString();
  // A number could be seconds, or milliseconds, or a revision that lost its quotes.
  if (typeof moment !== "string" || moment === "") throw new TypeError("a moment is a Date, or the text of a time or of a revision");
  return moment;
}

/** What a restore asks for. All keys are meant only where that is said. */
export function restoreBody(o) {
  const prefix = boundText("RESTORE", o.prefix) || undefined;
  if ((prefix !== undefined) === (o.all === true)) throw new TypeError("restore takes a prefix, or all: true for every key");
  return { at: momentText(o.at), prefix, all: o.all, dry_run: o.dryRun, limit: o.limit, cursor: o.cursor };
}
