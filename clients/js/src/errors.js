/** An error that the server answered, or that kept it from answering. */
export class GodwitError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {{status?: number, retryAfter?: number, conditions?: object[], cause?: unknown}} [more]
   */
  constructor(code, message, more = {}) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.name = "GodwitError";
    this.code = code;
    this.status = more.status ?? 0;
    this.retryAfter = more.retryAfter;
    this.conditions = more.conditions;
  }
}

/** Cloudflare's numbers, and godwit's beyond them, by godwit's words. */
const words = new Map([
  [10001, "unavailable"], [10009, "key_not_found"], [10011, "invalid_namespace_id"],
  [10013, "namespace_not_found"], [10014, "namespace_exists"], [10018, "too_many_namespaces"],
  [10019, "missing_title"], [10022, "too_many_requests"], [10023, "invalid_key"],
  [10024, "value_too_large"], [10028, "invalid_limit"], [10029, "invalid_request"],
  [10030, "key_too_long"], [10033, "invalid_expiration"], [10034, "invalid_expiration_ttl"],
  [10037, "forbidden"], [10041, "invalid_cursor"], [10047, "invalid_metadata"],
  [10412, "precondition_failed"], [10500, "internal"], [10504, "outcome_unknown"],
  [10507, "disk_full"], [10048, "quota_reached"], [10404, "token_not_found"], [10409, "not_a_number"],
  [10410, "history_gone"], [10550, "damaged"],
]);

/** Where Cloudflare has one number for several of godwit's words, the text tells which it is. */
const told = [
  { number: 10022, text: /^Too Many Requests$/, word: "too_many_writes" },
  { number: 10024, text: /^Total size of request /, word: "bulk_too_large" },
  { number: 10024, text: /^(Request body|The body|The form's other parts) /, word: "body_too_large" },
  { number: 10029, text: /^Invalid cache_ttl of /, word: "invalid_cache_ttl" },
  { number: 10029, text: /corresponds to a non-json value$/, word: "value_not_json" },
];

/** godwit's word for an error of the REST API, undefined where it is not known. */
function wordOf(number, text) {
  return told.find((t) => t.number === number && t.text.test(text))?.word ?? words.get(number);
}

const byStatus = new Map([
  [400, "invalid_request"], [401, "unauthenticated"], [403, "forbidden"], [404, "not_found"],
  [412, "precondition_failed"], [413, "body_too_large"], [414, "key_too_long"],
  [429, "too_many_requests"], [431, "body_too_large"], [502, "unavailable"],
  [503, "unavailable"], [504, "unavailable"], [507, "disk_full"],
]);

/**
 * The error that an answer is. It reads either API's envelope, and the answers of
 * proxies in between as well as it can.
 *
 * @param {string} op what was asked, as the binding's messages name it
 * @param {Response} res
 * @param {string} text the beginning of the answer
 */
export function answered(op, res, text) {
  const silent = res.status >= 520 && res.status <= 527; // Cloudflare's, for an origin that does not answer
  let code = silent ? "unavailable" : byStatus.get(res.status) ?? "http_error";
  let message = res.statusText || "an answer that is not the server's";
  let conditions;
  try {
    const body = JSON.parse(text);
    const rest = body?.errors?.[0];
    if (typeof body?.error?.code === "string") {
      code = body.error.code;
      message = String(body.error.message);
      conditions = body.error.conditions;
    } else if (rest) {
      message = String(rest.message);
      code = wordOf(rest.code, message) ?? code;
      if (code === "invalid_metadata" && res.status === 413) code = "metadata_too_large";
    }
  } catch {
    // no envelope: the status says what there is to say
  }
  return new GodwitError(code, failed(op, res.status, message), {
    status: res.status, retryAfter: seconds(res.headers.get("Retry-After")), conditions,
  });
}

/** The text of an error as the binding words it. */
export function failed(op, status, message) {
  return `KV ${op} failed: ${status} ${message}`;
}

function seconds(text) {
  return text !== null && /^\d{1,4}$/.test(text) ? Number(text) : undefined;
}
