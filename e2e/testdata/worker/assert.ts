// The few assertions that the cases need. They throw, and what they throw
// says what was got and what was wanted.

export class Mismatch extends Error {}

export function equal(got: unknown, want: unknown, what = "value"): void {
  if (!same(got, want)) {
    throw new Mismatch(`${what}: got ${show(got)}, want ${show(want)}`);
  }
}

export function ok(holds: boolean, what: string): void {
  if (!holds) throw new Mismatch(what);
}

// rejects runs op, which must fail with this message; name is the class of the
// error.
export async function rejects(op: () => Promise<unknown>, message: string | RegExp, name = "Error"): Promise<void> {
  let got: unknown;
  try {
    got = await op();
  } catch (e) {
    const err = e as Error;
    const fits = typeof message === "string" ? err.message === message : message.test(err.message);
    if (!fits) throw new Mismatch(`message: got ${show(err.message)}, want ${message}`);
    equal(err.name, name, `class of "${err.message}"`);
    return;
  }
  throw new Mismatch(`no error, but ${show(got)}; want ${message}`);
}

function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (a instanceof ArrayBuffer) a = new Uint8Array(a);
  if (b instanceof ArrayBuffer) b = new Uint8Array(b);
  if (a instanceof Map && b instanceof Map) return same([...a], [...b]);
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const x = a as Record<string, unknown>;
  const y = b as Record<string, unknown>;
  const names = Object.keys(x);
  return names.length === Object.keys(y).length && names.every((n) => Object.hasOwn(y, n) && same(x[n], y[n]));
}

function show(v: unknown): string {
  if (v instanceof Map) v = { Map: [...v] };
  if (v instanceof ArrayBuffer) v = new Uint8Array(v);
  if (v instanceof Uint8Array) v = { bytes: v.length, first: [...v.slice(0, 32)] };
  const text = typeof v === "string" ? JSON.stringify(v) : (JSON.stringify(v) ?? String(v));
  return text.length > 600 ? text.slice(0, 600) + "..." : text;
}
