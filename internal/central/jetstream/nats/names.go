package nats

// What a cluster owns in NATS, by its name.

func streamName(cluster string) string { return "godwit_" + cluster }

func bucketName(cluster string) string { return "godwit_" + cluster }

func bucketStream(cluster string) string { return "KV_" + bucketName(cluster) }

// logSubject is what the stream takes in, tailSubject where it tells at once what
// it took, pulseSubject what members tell each other past it.
func logSubject(cluster string) string { return "godwit." + cluster + ".log" }

func tailSubject(cluster string) string { return "godwit." + cluster + ".tail" }

func pulseSubject(cluster string) string { return "godwit." + cluster + ".pulse" }

// electedSubject is where NATS tells that the stream has a leader.
func electedSubject(cluster string) string {
	return "$JS.EVENT.ADVISORY.STREAM.LEADER_ELECTED." + streamName(cluster)
}

// registryMaxBytes bounds the bucket.
const registryMaxBytes = 64 << 20
