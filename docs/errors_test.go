package docs_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api/binding"
	"github.com/godwitkv/godwit/internal/api/cloudflare"
	"github.com/godwitkv/godwit/internal/feed"
)

// advice is what each code means, and what to do.
var advice = map[godwit.Code][2]string{
	godwit.CodeInternal:           {"A fault of ours, or of the machine. What happened is in the node's log, never in the answer.", "Look into the log for the request's id. A read can be repeated; a write has perhaps happened."},
	godwit.CodeInvalidRequest:     {"The request is malformed in a way that has no code of its own.", "Mend what the text names. To repeat it as it is will not help."},
	godwit.CodeInvalidKey:         {"The key is empty, `.`, `..`, not UTF-8, or not percent-encoded as it must be.", "Give another key."},
	godwit.CodeKeyTooLong:         {"The key has more than 512 bytes; a prefix to clear more than 448.", "Give a shorter one, or a hash of it."},
	godwit.CodeKeyNotFound:        {"The key is absent, deleted or expired. A Worker gets `null`.", "Nothing is wrong. If it was just written at another node, send `Godwit-Min-Revision`: [sessions](sessions.md)."},
	godwit.CodeInvalidExpiration:  {"`expiration` is no integer, too near or too far.", "Give unix seconds, a minute ahead at least, or set the namespace's `min_expiration_ttl`: [flags](operations.md#flags)."},
	godwit.CodeInvalidTTL:         {"`expiration_ttl` is no integer, too short or too long.", "Give 60 seconds or more, or set the namespace's `min_expiration_ttl`."},
	godwit.CodeInvalidMetadata:    {"The metadata is not JSON.", "Send JSON."},
	godwit.CodeMetadataTooLarge:   {"The metadata has more than 1,024 bytes without white space.", "Put what is large into the value."},
	godwit.CodeValueTooLarge:      {"The value has more than 25 MiB, or what `--max-value-bytes` says.", "Split it, or raise the flag at every node that clients write to."},
	godwit.CodeBodyTooLarge:       {"The request's body is over its limit, whatever is in it.", "Send less in one request."},
	godwit.CodeInvalidCacheTTL:    {"`cache_ttl` is no integer, or under 30 seconds.", "Give 30 or more, or set the namespace's `min_cache_ttl`."},
	godwit.CodeInvalidLimit:       {"The limit of a list is out of its range.", "Give one that the text allows, and go on by the cursor."},
	godwit.CodeInvalidCursor:      {"The cursor is none of ours, or of another list.", "Begin anew, with the same parameters for each page."},
	godwit.CodeInvalidNamespaceID: {"The namespace's id is not 32 hexadecimal characters. Cloudflare's API takes ids alone, all others titles too.", "Look it up with `godwit namespace list`."},
	godwit.CodeNamespaceNotFound:  {"No namespace has the id or title, or the token does not reach it. A Worker is told 400: 404 would be an absent key.", "`godwit namespace list` shows those that the token reaches."},
	godwit.CodeNamespaceExists:    {"The title is taken.", "Take another, or `godwit namespace create --if-not-exists`."},
	godwit.CodeMissingTitle:       {"No title was given.", "Give one."},
	godwit.CodeTooManyNamespaces:  {"There are as many namespaces as there can be.", "Delete some, or use prefixes."},
	godwit.CodePreconditionFailed: {"`If-Match`, `If-None-Match` or a transaction's condition did not hold. Nothing was changed.", "Read again, decide again, write again."},
	godwit.CodeTooManyWrites:      {"The key is written more often than `writes_per_key` allows.", "Wait for as long as `Retry-After` says, or spread over several keys, or raise the setting."},
	godwit.CodeTooManyRequests:    {"Over `requests_per_second` of the namespace or token, too many guesses at a token from this address, or too much at once.", "Wait for as long as `Retry-After` says."},
	godwit.CodeUnauthenticated:    {"No token, or one that is unknown, expired or revoked.", "Send `Authorization: Bearer TOKEN`. A node keeps its root token in `DIR/root-token`; `godwit token create` makes others."},
	godwit.CodeForbidden:          {"The token is good, and does not reach this far.", "Make one that does: [permissions](security.md#tokens)."},
	godwit.CodeDiskFull:           {"The disk is below its reserve. Puts are refused; deletes and reads go on.", "Make room: [what to do](operations.md#disk)."},
	godwit.CodeUnavailable:        {"Not now: the node starts, stops, has too much to do, cannot reach its upstream or its quorum, or was replaced. Nothing was done.", "Try again, or at another node; the text says what is in the way."},
	godwit.CodeOutcomeUnknown:     {"The write may or may not have happened.", "Send it again with the same `Godwit-Request-Id`: it cannot apply twice. Without one, read the key."},
	godwit.CodeTokenNotFound:      {"No token has this id.", "`godwit token list` shows those there are."},
	godwit.CodeBulkJSON:           {"A bulk get as JSON met a value that is none.", "Get it as text."},
	godwit.CodeBulkTooLarge:       {"The values of a bulk get are more than 25 MiB together.", "Ask for fewer keys."},
	godwit.CodeNotNumber:          {"An `add` found a value that is no integer of 64 bits, or the sum would be none. Nothing was changed.", "Put a number under the key first."},
	godwit.CodeQuota:              {"The namespace holds as much as `max_keys` or `max_bytes` allows. Deletes go on.", "Delete, or raise the setting: [quotas](operations.md#quotas)."},
	godwit.CodeDamaged:            {"What this node's disk has of the key is not what was written.", "Ask another node. `godwit status` says whether this one is mending it; see [scrub](operations.md#scrub)."},
	godwit.CodeHistoryGone:        {"What stood then is not kept, or not any more; that it was absent is not known either.", "Turn on the namespace's [history](history.md) before it is needed; ask for a later moment."},
}

// TestErrorsPageIsCurrent holds errors.md to the tables of the protocols and to the
// texts in the sources, which it is made of.
func TestErrorsPageIsCurrent(t *testing.T) {
	want := errorsPage(t)
	if *rewrite {
		if err := os.WriteFile("errors.md", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(read(t, "errors.md"), want); diff != "" {
		t.Errorf("errors.md is not what the tables say; go test ./docs -run TestErrorsPageIsCurrent -rewrite writes it anew (-is +should be):\n%s", diff)
	}
}

const errorsIntro = `# Errors

Made of the tables by which each protocol tells an error, and of the texts in the sources; a
test holds it to both. An error has a code, godwit's own word for what one can do about it,
and each protocol tells it in its own way:

| | The code | The text |
|---|---|---|
| REST API v4 | ` + "`errors[0].code`" + `, Cloudflare's number where there is one | ` + "`errors[0].message`" + `, in Cloudflare's words; for some with the operation in front, as in ` + "`get: 'key not found'`" + ` |
| binding port | the status alone | the reason phrase: a Worker sees ` + "`KV PUT failed: 400 Invalid expiration_ttl of 59. ...`" + ` |
| native API | ` + "`error.code`" + `, the word | ` + "`error.message`" + ` |
| [command line](cli.md) | the exit code | a line on standard error, with what to do |

429 and 503 come with ` + "`Retry-After`" + `. Requests that mean nothing yet (a path or a method that
there is not, a body that is no JSON) have numbers of Cloudflare's beside these:
[compatibility.md](compatibility.md#errors).

| Code | REST | Binding | Native |
|---|---|---|---|
`

func errorsPage(t *testing.T) string {
	t.Helper()
	texts := textsOfErrors(t)
	var table, sections strings.Builder
	for _, code := range godwit.Codes() {
		native, name, ok1 := feed.Reply(code)
		rest, number, ok2 := cloudflare.Reply(code)
		binds, reason, ok3 := binding.Reply(code)
		if !ok1 || !ok2 || !ok3 || advice[code][0] == "" {
			t.Fatalf("code %d has no answer in some protocol, or no advice", code)
		}
		fmt.Fprintf(&table, "| [`%s`](#%s) | %d, %d | %d | %d |\n", name, name, rest, number, binds, native)
		fmt.Fprintf(&sections, "\n## %s\n\n%s\n\n**What to do.** %s\n", name, advice[code][0], advice[code][1])
		if reason != "" {
			fmt.Fprintf(&sections, "\nA Worker is told `%d %s`.\n", binds, reason)
		}
		if all := texts[code]; len(all) > 0 {
			sections.WriteString("\n```text\n" + strings.Join(all, "\n") + "\n```\n")
		}
	}
	return errorsIntro + table.String() + sections.String()
}

// notOfAPIs is where errors are made that no API tells: in tests, and in the dashboard's
// forms.
var notOfAPIs = regexp.MustCompile(`/(simulation|apitest|dashboard)/`)

var verb = regexp.MustCompile(`%[-+#0-9.*]*[a-zA-Z]`)

// textsOfErrors are the texts that the sources give to errors, in order, by their code.
// What stands for something that differs is "…".
func textsOfErrors(t *testing.T) map[godwit.Code][]string {
	t.Helper()
	codes := codesByName(t)
	found := make(map[godwit.Code][]string)
	add := func(name ast.Expr, text ast.Expr) {
		code, ok := codes[lastName(name)]
		literal, isText := text.(*ast.BasicLit)
		if !ok || !isText || literal.Kind != token.STRING {
			return
		}
		s, err := strconv.Unquote(literal.Value)
		if err != nil {
			t.Fatal(err)
		}
		s = strings.ReplaceAll(verb.ReplaceAllString(s, "…"), `"…"`, "…")
		if !slices.Contains(found[code], s) && code != godwit.CodeInternal {
			found[code] = append(found[code], s)
		}
	}
	walk(t, func(path string) {
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") || notOfAPIs.MatchString(path) {
			return
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if lastName(n.Fun) == "Errorf" && len(n.Args) >= 2 {
					add(n.Args[0], n.Args[1])
				}
			case *ast.CompositeLit:
				add(field(n, "Code"), field(n, "Message"))
			}
			return true
		})
	})
	if len(found) < 25 {
		t.Fatalf("texts of %d codes were found: nothing is tested", len(found))
	}
	for _, texts := range found {
		slices.Sort(texts)
	}
	return found
}

// codesByName are the codes by their names in the sources.
func codesByName(t *testing.T) map[string]godwit.Code {
	t.Helper()
	names := regexp.MustCompile(`(?m)^\t(Code[A-Z]\w*)\b.*//`).FindAllStringSubmatch(read(t, "../errors.go"), -1)
	if len(names) != len(godwit.Codes()) {
		t.Fatalf("errors.go names %d codes, and there are %d", len(names), len(godwit.Codes()))
	}
	codes := make(map[string]godwit.Code)
	for i, m := range names {
		codes[m[1]] = godwit.Code(i)
	}
	return codes
}

// lastName is what a, pkg.a and x.y.a end with.
func lastName(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

func field(n *ast.CompositeLit, name string) ast.Expr {
	for _, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && lastName(kv.Key) == name {
			return kv.Value
		}
	}
	return nil
}
