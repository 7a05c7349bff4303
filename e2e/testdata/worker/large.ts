import { equal, rejects } from "./assert";
import type { Cases } from "./env";
import { MiB, digest, fixed, pieces } from "./streams";

const most = 25 * MiB;

export const large: Cases = {
  async "large: 25 MiB of known length, both ways"({ KV }) {
    const want = await digest(pieces(most, 3));
    await KV.put("large/fixed", fixed(pieces(most, 3), most), { metadata: { size: most } });
    const got = await KV.getWithMetadata("large/fixed", "stream");
    equal(await digest(got.value!), want);
    equal(got.metadata, { size: most });
    equal((await KV.get("large/fixed", "arrayBuffer"))!.byteLength, most);
  },

  async "large: 25 MiB in chunks, both ways"({ KV }) {
    const want = await digest(pieces(most, 4));
    await KV.put("large/chunked", pieces(most, 4));
    equal(await digest((await KV.get("large/chunked", "stream"))!), want);
  },

  async "large: from one key to another"({ KV }) {
    const want = await digest(pieces(9 * MiB, 5));
    await KV.put("large/from", pieces(9 * MiB, 5));
    await KV.put("large/to", (await KV.get("large/from", "stream"))!);
    equal(await digest((await KV.get("large/to", "stream"))!), want);
  },

  async "large: one byte more is refused by name"({ KV }) {
    await KV.put("large/over", "kept");
    const over = most + 1;
    const want = `KV PUT failed: 413 Value length of ${over} exceeds limit of ${most}.`;
    await rejects(() => KV.put("large/over", fixed(pieces(over), over)), want);
    await rejects(() => KV.put("large/over", pieces(over)), want);
    await rejects(() => KV.put("large/over", new Uint8Array(over)), want);
    const far = 40 * MiB;
    await rejects(() => KV.put("large/over", pieces(far)), `KV PUT failed: 413 Value length of ${far} exceeds limit of ${most}.`);
    equal(await KV.get("large/over"), "kept");
  },

  async "large: a stream that breaks leaves the old value"({ KV }) {
    await KV.put("large/broken", "kept");
    let n = 0;
    const broken = new ReadableStream<Uint8Array>({
      pull(controller) {
        if (n++ < 20) controller.enqueue(new Uint8Array(64 << 10));
        else controller.error(new Error("cut off"));
      },
    });
    await rejects(() => KV.put("large/broken", broken), /./);
    equal(await KV.get("large/broken"), "kept");
  },

  async "large: reading a part is enough"({ KV }) {
    await KV.put("large/part", pieces(most, 6));
    for (let i = 0; i < 5; i++) {
      const reader = (await KV.get("large/part", "stream"))!.getReader();
      await reader.read();
      await reader.cancel();
    }
    equal(await KV.get("large/none"), null);
  },
};
