package client_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/client"
)

// TestValueOnTheWire is text or base64, whichever is shorter.
func TestValueOnTheWire(t *testing.T) {
	for name, value := range map[string]string{
		"nothing":        "",
		"text":           strings.Repeat("Limosa lapponica, <&> 'birds'. ", 100),
		"other letters":  strings.Repeat("Бекас", 100),
		"lines":          strings.Repeat("a line of some text\n", 100),
		"zeros":          strings.Repeat("\x00", 1000),
		"few of them":    strings.Repeat("\x00", 3),
		"escapes":        strings.Repeat("\x1b[1m", 250),
		"line breaks":    strings.Repeat("\n", 1000),
		"quotes":         strings.Repeat(`"\`, 500),
		"deletes":        strings.Repeat("\x7f", 1000),
		"separators":     strings.Repeat("\u2028\u2029", 300),
		"replacements":   strings.Repeat("\uFFFD", 300),
		"no text at all": strings.Repeat("\xff", 1000),
	} {
		s, kv := scripted(t, answer{status: 200, body: `{"revision":"1"}`})
		pair := client.Pair{Key: "k", Value: []byte(value)}
		_, err := kv.BulkPut(t.Context(), []client.Pair{pair})
		check(t, err)
		_, err = kv.Transact(t.Context(), client.Transaction{Puts: []client.Pair{pair}})
		check(t, err)
		most := min(len(jsonOf(t, value)), (len(value)+2)/3*4+len(`"","base64":true`))
		if name == "no text at all" {
			most = (len(value)+2)/3*4 + len(`"","base64":true`)
		}
		if got := len(s.seen()[0].body) - len(`[{"key":"k","value":}]`+"\n"); got != most {
			t.Errorf("%s: %d bytes in a bulk write, want %d", name, got, most)
		}
		if got := len(s.seen()[1].body) - len(`{"mutations":[{"op":"put","key":"k","value":}]}`+"\n"); got != most {
			t.Errorf("%s: %d bytes in a transaction, want %d", name, got, most)
		}
	}
}

func jsonOf(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	check(t, enc.Encode(text))
	return strings.TrimSuffix(b.String(), "\n")
}

// TestValuesOfControlCharacters are taken up to the limits of their length.
func TestValuesOfControlCharacters(t *testing.T) {
	kv := namespace(t, serve(t))
	zeros := make([]byte, 4_000_000)
	done, err := kv.Transact(t.Context(), client.Transaction{Puts: []client.Pair{{Key: "k", Value: zeros}}})
	check(t, err)
	items, err := kv.BulkGet(t.Context(), []string{"k"}, client.MinRevision(done.Revision))
	check(t, err)
	if !bytes.Equal(items["k"].Value, zeros) {
		t.Errorf("%d bytes came back", len(items["k"].Value))
	}
}
