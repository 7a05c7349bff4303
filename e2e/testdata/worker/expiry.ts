import { equal, ok, rejects } from "./assert";
import type { Cases } from "./env";

const until = (ms: number) => scheduler.wait(Math.max(0, ms - Date.now()));

export const expiry: Cases = {
  async "expiry: gone at its second everywhere"({ BRIEF }) {
    await BRIEF.put("expiry/keeps", "v");
    await BRIEF.put("expiry/goes", "v", { expirationTtl: 2, metadata: 1 });
    const { keys } = await BRIEF.list({ prefix: "expiry/goes" });
    const end = keys[0].expiration! * 1000;
    ok(end - Date.now() <= 3000, `expires in ${end - Date.now()} ms, want 2,000`);
    while (Date.now() < end - 150) {
      equal(await BRIEF.get("expiry/goes", { cacheTtl: 3600 }), "v", `${end - Date.now()} ms before its end`);
      await scheduler.wait(50);
    }
    await until(end + 20);
    equal(await BRIEF.get("expiry/goes", { cacheTtl: 3600 }), null);
    equal((await BRIEF.getWithMetadata("expiry/goes")).metadata, null);
    equal((await BRIEF.get(["expiry/goes"])).get("expiry/goes"), null);
    equal((await BRIEF.list({ prefix: "expiry/" })).keys, [{ name: "expiry/keeps" }]);
    await BRIEF.put("expiry/goes", "again");
    equal(await BRIEF.get("expiry/goes"), "again");
  },

  async "expiry: a put without one takes the old one away"({ BRIEF }) {
    await BRIEF.put("expiry/cleared", "v", { expirationTtl: 1 });
    await BRIEF.put("expiry/cleared", "w");
    await scheduler.wait(2100);
    equal(await BRIEF.get("expiry/cleared"), "w");
  },

  async "expiry: the limit is the server's"({ BRIEF }) {
    await BRIEF.put("expiry/one", "v", { expirationTtl: 1 });
    await rejects(() => BRIEF.put("expiry/zero", "v", { expirationTtl: 0 }), "KV PUT failed: 400 Invalid expiration_ttl of 0. Please specify integer greater than 0.");
  },
};
