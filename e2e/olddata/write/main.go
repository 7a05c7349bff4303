// Command write has a godwit write data directories of each kind, and packs them with a
// description of what is in them. The archives in e2e/testdata/upgrade come from it, each
// from the last version that wrote a format, or from today's. So before a format changes,
// in what a directory, a member's log or a repository holds, that of today is made anew:
//
//	go build -o /tmp/old ./cmd/godwit     # in a checkout of the version that writes it
//	go run ./e2e/olddata/write -godwit /tmp/old -out e2e/testdata/upgrade/NAME.tar.gz
package main

import (
	"context"
	"flag"
	"fmt"
	"os"

	"github.com/godwitkv/godwit/e2e/olddata"
)

func main() {
	program := flag.String("godwit", "", "the program that writes")
	out := flag.String("out", "", "the archive to make")
	listen := flag.String("cluster-listen", "127.0.0.1:14222", "where a member listens; free")
	flag.Parse()
	if *program == "" || *out == "" || flag.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "write: needs -godwit and -out, and nothing else")
		os.Exit(2)
	}
	if err := olddata.Write(context.Background(), *program, *out, *listen); err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
}
