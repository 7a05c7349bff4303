package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/godwitkv/godwit/client"
	"github.com/godwitkv/godwit/internal/certtest"
)

// raceOptions keep a binary built with the race detector from waiting for a
// second at its end, as it does by default.
const raceOptions = "atexit_sleep_ms=0"

func TestMain(m *testing.M) {
	if err := os.Setenv("GORACE", raceOptions); err != nil {
		panic(err)
	}
	testscript.Main(m, map[string]func(){"godwit": main})
}

func TestScripts(t *testing.T) {
	authority := certtest.New(t, "authority")
	cert, key := authority.Sign(t, "node")
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", raceOptions)
			env.Setenv("CA", authority.File)
			env.Setenv("CERT", cert)
			env.Setenv("KEY", key)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":      cmdExits,
			"ready":      cmdReady,
			"sigterm":    cmdSigterm,
			"random":     cmdRandom,
			"snapshot":   cmdSnapshot,
			"garble":     cmdGarble,
			"occupy":     cmdOccupy,
			"setenv":     cmdSetenv,
			"mode":       cmdMode,
			"identity":   cmdIdentity,
			"field":      cmdField,
			"hangup":     cmdHangup,
			"await":      cmdAwait,
			"await-gone": cmdAwaitGone,

			"await-lost": cmdAwaitLost,

			"await-fenced": cmdAwaitFenced,
		},
	})
}

// cmdExits runs a command and wants it to end with a code: exits CODE COMMAND...
func cmdExits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit interface{ ExitCode() int }
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d (%v)", got, want, err)
	}
}

// cmdReady waits for a ready file and points the client commands at the node:
// ready FILE
func cmdReady(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: ready FILE")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var r ready
	for {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil {
			ts.Check(json.Unmarshal(b, &r))
			break
		}
		if !errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil {
			ts.Fatalf("no ready file: %v", err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	ts.Setenv("GODWIT_URL", r.API)
	ts.Setenv("BINDING", r.Binding)
	ts.Setenv("NODE_PID", strconv.Itoa(r.PID))
	ts.Setenv("ACCOUNT", r.Account)
}

// cmdSigterm asks the node that was last ready to stop.
func cmdSigterm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: sigterm")
	}
	pid, err := strconv.Atoi(ts.Getenv("NODE_PID"))
	ts.Check(err)
	node, err := os.FindProcess(pid)
	ts.Check(err)
	ts.Check(node.Signal(syscall.SIGTERM))
}

// cmdRandom makes a file of random bytes: random FILE BYTES
func cmdRandom(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: random FILE BYTES")
	}
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(b)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// cmdIdentity makes a file with an age identity, and one with its recipient:
// identity FILE FILE
func cmdIdentity(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: identity FILE FILE")
	}
	id, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte("# of a test\n"+id.String()+"\n"), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(id.Recipient().String()+"\n"), 0o600))
}

// cmdSnapshot writes the names and hashes of all files below a directory:
// snapshot DIR FILE
func cmdSnapshot(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: snapshot DIR FILE")
	}
	var all strings.Builder
	root := ts.MkAbs(args[0])
	ts.Check(filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s %x\n", strings.TrimPrefix(path, root), sha256.Sum256(b))
		return err
	}))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(all.String()), 0o600))
}

// cmdGarble overwrites the middle of each file that a pattern matches:
// garble PATTERN
func cmdGarble(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: garble PATTERN")
	}
	files, err := filepath.Glob(ts.MkAbs(args[0]))
	ts.Check(err)
	if len(files) == 0 {
		ts.Fatalf("nothing matches %s", args[0])
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		ts.Check(err)
		for i := len(b) / 4; i < len(b); i++ {
			b[i] ^= 0x55
		}
		ts.Check(os.WriteFile(name, b, 0o600))
	}
}

// cmdOccupy takes a free port until the script ends: occupy VARIABLE
func cmdOccupy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: occupy VARIABLE")
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { _ = ln.Close() })
	ts.Setenv(args[0], ln.Addr().String())
}

// cmdSetenv sets a variable to what a file holds: setenv VARIABLE FILE
func cmdSetenv(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: setenv VARIABLE FILE")
	}
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}

// cmdMode wants a file to have permissions: mode OCTAL FILE
func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode OCTAL FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if got := fmt.Sprintf("%o", info.Mode().Perm()); got != args[0] {
		ts.Fatalf("mode of %s is %s, want %s", args[1], got, args[0])
	}
}

// cmdField sets a variable to the first field of the line that holds a word:
// field VARIABLE FILE WORD
func cmdField(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: field VARIABLE FILE WORD")
	}
	for line := range strings.Lines(ts.ReadFile(args[1])) {
		fields := strings.Fields(line)
		if slices.Contains(fields, args[2]) {
			ts.Setenv(args[0], fields[0])
			return
		}
	}
	ts.Fatalf("no line of %s holds %s", args[1], args[2])
}

// cmdHangup sends SIGHUP to the node that wrote a ready file: hangup FILE
func cmdHangup(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hangup FILE")
	}
	var r ready
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &r))
	p, err := os.FindProcess(r.PID)
	ts.Check(err)
	ts.Check(p.Signal(syscall.SIGHUP))
}

// cmdAwaitLost waits until an edge knows that its upstream is gone: await-lost URL TOKEN
func cmdAwaitLost(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await-lost URL TOKEN")
	}
	awaitStatus(ts, args[0], args[1], func(s *client.Status) bool { return !s.Connected })
}

// cmdAwaitFenced waits until a centre knows that it was replaced:
// await-fenced URL TOKEN
func cmdAwaitFenced(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await-fenced URL TOKEN")
	}
	awaitStatus(ts, args[0], args[1], func(s *client.Status) bool { return s.FencedBy != 0 })
}

// awaitStatus waits until a node's status is as wanted.
func awaitStatus(ts *testscript.TestScript, url, token string, wanted func(*client.Status) bool) {
	c, err := client.New(url, token)
	ts.Check(err)
	defer c.Close()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		s, err := c.Status(context.Background())
		ts.Check(err)
		if wanted(s) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("the status of %s is %+v", url, s)
		}
	}
}

// cmdAwaitGone waits until a file is there no more: await-gone FILE
func cmdAwaitGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await-gone FILE")
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		if _, err := os.Stat(ts.MkAbs(args[0])); errors.Is(err, fs.ErrNotExist) {
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("%s is still there", args[0])
		}
	}
}

// cmdAwait waits until a line of a file matches: await FILE REGEXP
func cmdAwait(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: await FILE REGEXP")
	}
	want, err := regexp.Compile("(?m)" + args[1])
	ts.Check(err)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(2 * time.Minute); ; <-tick.C {
		b, err := os.ReadFile(ts.MkAbs(args[0]))
		if err == nil && want.Match(b) {
			return
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) || time.Now().After(deadline) {
			ts.Fatalf("%s does not match %s: %v\n%s", args[0], args[1], err, b)
		}
	}
}
