package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/alecthomas/kong"
)

// program is the command line as a value: what it reads and writes.
type program struct {
	stdin          *os.File
	stdout, stderr *os.File
}

// commands are all that godwit can do.
type commands struct {
	Serve      serveCmd      `cmd:"" help:"Run a node."`
	Worker     workerCmd     `cmd:"" help:"Run a Worker project on workerd, its KV bindings connected."`
	Namespace  namespaceCmd  `cmd:"" help:"Create, list, rename, set up, copy, clear and delete namespaces."`
	Put        putCmd        `cmd:"" help:"Write a key."`
	Get        getCmd        `cmd:"" help:"Write a key's value to standard output."`
	Delete     deleteCmd     `cmd:"" help:"Delete a key."`
	Undelete   undeleteCmd   `cmd:"" help:"Put back what a deleted key held, of a namespace that keeps history."`
	History    historyCmd    `cmd:"" help:"List the versions of a key, of a namespace that keeps history."`
	Add        addCmd        `cmd:"" help:"Add to a key's value, which is a number, and show the sum."`
	List       listCmd       `cmd:"" help:"List keys."`
	Watch      watchCmd      `cmd:"" help:"Show changes of keys as they happen."`
	Bulk       bulkCmd       `cmd:"" help:"Put, get and delete many keys."`
	Export     exportCmd     `cmd:"" help:"Write all keys of a namespace, a line each."`
	Import     importCmd     `cmd:"" help:"Write what stands in lines into a namespace."`
	Copy       copyCmd       `cmd:"" help:"Write what is in one namespace into another, here or at another server."`
	Seed       seedCmd       `cmd:"" help:"Write what a fixture says, for tests."`
	Token      tokenCmd      `cmd:"" help:"Create, list, revoke and rotate tokens."`
	Status     statusCmd     `cmd:"" help:"Show a node's status."`
	Doctor     doctorCmd     `cmd:"" help:"Check all nodes, and say what is wrong and what to do."`
	Top        topCmd        `cmd:"" help:"Show what a node does, and how all nodes stand, again and again."`
	Cluster    clusterCmd    `cmd:"" help:"Show the members of a cluster, and remove one."`
	Probe      probeCmd      `cmd:"" help:"Measure how long writes take to every node."`
	Bench      benchCmd      `cmd:"" help:"Load a node's binding port and measure what it answers."`
	Backup     backupCmd     `cmd:"" help:"Copy a node's data, while it runs; list and verify such copies."`
	Restore    restoreCmd    `cmd:"" help:"Make a centre's data directory from a backup."`
	Promote    promoteCmd    `cmd:"" help:"Make a centre's data directory of any whole copy, such as an edge's."`
	Fsck       fsckCmd       `cmd:"" help:"Check the data directory of a node that is not running, or compare two that are."`
	Scrub      scrubCmd      `cmd:"" help:"Have a node read all that is on its disk now, and mend what is damaged."`
	Rekey      rekeyCmd      `cmd:"" help:"Encrypt a data directory, or change its key."`
	Audit      auditCmd      `cmd:"" help:"Show what an audit log has."`
	Completion completionCmd `cmd:"" help:"Write what a shell completes commands and flags by."`
	Man        manCmd        `cmd:"" help:"Write the manual's pages into a directory."`
	Version    versionCmd    `cmd:"" help:"Show the version."`

	ShowVersion kong.VersionFlag `name:"version" env:"-" help:"Show the version."`
}

const (
	about = "Workers KV that anyone can run"

	environment = `Every flag of serve and worker, and --url, --token, --data and --json, is an
environment variable too: --listen is GODWIT_LISTEN.`
)

// description is what the help begins with.
func description() string {
	var codes []string
	for code, meaning := range exitStatus {
		codes = append(codes, fmt.Sprintf("%d %s", code, meaning))
	}
	return about + ".\n\n" + environment + "\n\nExit codes: " + strings.Join(codes, "; ") + "."
}

// run carries out one command line and returns the exit code.
func (p *program) run(ctx context.Context, args []string) int {
	parser, err := kong.New(&commands{},
		kong.Name("godwit"),
		kong.Description(description()),
		kong.Writers(p.stdout, p.stderr),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.DefaultEnvars("GODWIT"),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(p),
		kong.Vars{"keys_help": keysHelp, "version": versionLine()},
	)
	if err != nil {
		return p.fail(err, nil)
	}
	typed, err := parser.Parse(askForHelp(args))
	var wrong *kong.ParseError
	if errors.As(err, &wrong) {
		return p.fail(wrongUsage{err}, wrong.Context)
	}
	if err != nil {
		return p.fail(wrongUsage{err}, nil)
	}
	if err := typed.Run(); err != nil {
		return p.fail(err, typed)
	}
	return exitOK
}

// askForHelp makes "help put" what it means: "put --help".
func askForHelp(args []string) []string {
	if len(args) == 0 || args[0] != "help" {
		return args
	}
	return append(args[1:len(args):len(args)], "--help")
}

// fail says in one line what went wrong and what to do, and returns the exit
// code.
func (p *program) fail(err error, typed *kong.Context) int {
	code := exitCode(err)
	message := oneLine(plain(err))
	if message == "" {
		return code
	}
	if h := hint(err, typed); h != "" {
		message += ": " + h
	}
	fmt.Fprintf(p.stderr, "godwit: %s\n", message)
	return code
}

// oneLine is text without line breaks, and without what plays tricks on a terminal: it
// may be what a server has said.
func oneLine(text string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(text, "\ufffd") {
		switch {
		case r == '\n':
			b.WriteString("; ")
		case tricky(r):
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// What the library says of a flag without its value, and of a number that looks like a
// flag, which only it understands.
var (
	noValue   = regexp.MustCompile(`expected \S+ value but got "EOL" \(<EOL>\)$`)
	below     = regexp.MustCompile(`^unknown flag -[0-9].*$`)
	flagValue = regexp.MustCompile(`expected \S+ value but got ("[^"]*") \((?:short|long) flag\); perhaps try (--\S+?)="[^"]*"\?$`)
)

// plain is what err says, in words for whoever typed the command.
func plain(err error) string {
	text := noValue.ReplaceAllString(err.Error(), "needs a value")
	text = below.ReplaceAllString(text, "a number below 0 stands behind --, after all flags")
	return flagValue.ReplaceAllString(text, "$1 looks like a flag: write $2=$1")
}
