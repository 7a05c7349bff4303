// What a binding does with the arguments of its methods before it looks at what they say.

/** The error of an argument that is missing or of another type. */
export function wrongType(method, number, type) {
  return new TypeError(`Failed to execute '${method}' on 'KvNamespace': parameter ${number} is not of type '${type}'.`);
}

/**
 * The first of a call's arguments: there must be one, but an undefined that is given is
 * taken for text, as null is.
 */
export function firstOf(args, method, type) {
  if (args.length === 0) throw wrongType(method, 1, type);
  return args[0] === undefined ? "undefined" : args[0];
}

/** Options, of which null stands for none. */
export function optionsOf(given, method, number, type) {
  if (given === undefined || given === null) return {};
  if (!isObject(given)) throw wrongType(method, number, type);
  return given;
}

export function isObject(value) {
  return typeof value === "object" && value !== null || typeof value === "function";
}
