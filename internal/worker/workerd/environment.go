package workerd

import (
	"os"
	"strings"
)

// tunables leave the kernel's restartable sequences to workerd: its allocator keeps a
// cache of each processor only where the C library has not registered them for itself.
// Without those caches a KV get takes a twelfth more of the processor.
const tunables = "glibc.pthread.rseq=0"

// environment is what workerd is given of ours: nothing that is a secret.
func environment() (kept []string) {
	tuned := "GLIBC_TUNABLES=" + tunables
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		switch name {
		case "PATH", "HOME", "TMPDIR", "TZ", "LANG", "LD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR":
			kept = append(kept, pair)
		case "GLIBC_TUNABLES":
			if value != "" { // the C library takes none of a text that ends in a colon
				tuned += ":" + value // the last word is the user's
			}
		}
	}
	return append(kept, tuned)
}
