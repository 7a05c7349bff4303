// Bytes and streams to put in and to compare.

export const MiB = 1 << 20;

// random returns n bytes that depend on seed alone.
export function random(seed: number, n: number): Uint8Array {
  const out = new Uint8Array(n);
  let x = (seed * 2654435761 + 88172645) >>> 0 || 1;
  for (let i = 0; i < n; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    out[i] = x;
  }
  return out;
}

// text turns bytes into printable ASCII of the same length.
export function text(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes.map((b) => 33 + (b % 94)));
}

export async function bytesOf(stream: ReadableStream): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// pieces is a stream of n bytes in uneven pieces; its length is not known ahead.
export function pieces(n: number, seed = 1): ReadableStream<Uint8Array> {
  const block = random(seed, 64 << 10);
  let left = n;
  let turn = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller) {
      if (left === 0) return controller.close();
      const size = Math.min(left, 1 + ((turn++ * 7919) % block.length));
      left -= size;
      controller.enqueue(block.slice(0, size));
    },
  });
}

// fixed sends source through a FixedLengthStream of n bytes.
export function fixed(source: ReadableStream<Uint8Array>, n: number): ReadableStream<Uint8Array> {
  const { readable, writable } = new FixedLengthStream(n);
  void source.pipeTo(writable).catch(() => {});
  return readable;
}

// digest returns the SHA-256 of a stream and its length.
export async function digest(stream: ReadableStream): Promise<{ hash: string; length: number }> {
  const sink = new crypto.DigestStream("SHA-256");
  await stream.pipeTo(sink);
  const hash = [...new Uint8Array(await sink.digest)].map((b) => b.toString(16).padStart(2, "0")).join("");
  return { hash, length: Number(sink.bytesWritten) };
}
