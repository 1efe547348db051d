// What the build shipped (scripts/parts.json): its version, and of the files that are fetched by
// scripts their addresses (relative to this folder), sizes and hashes.

let found;

/** Fetched once for each thread, when it is first asked for. */
export function shippedParts() {
  found ??= fetch(new URL("./parts.json", import.meta.url)).then((reply) => reply.json());
  return found;
}
