package feed_test

import (
	"encoding/hex"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/feed"
)

// TestFeedPage holds the page that specifies the feed against the code: the bytes
// of its examples, the reasons of End, the paths and the bounds.
func TestFeedPage(t *testing.T) {
	text, err := os.ReadFile("../../docs/feed.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	examples := regexp.MustCompile("(?s)```frame (\\S+)\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(examples) < 2 {
		t.Fatalf("%d examples found", len(examples))
	}
	all := samples()
	for _, e := range examples {
		got, err := hex.DecodeString(strings.Join(strings.Fields(e[2]), ""))
		if want := frames(t, all[e[1]]); err != nil || string(got) != string(want) {
			t.Errorf("%s: %x, %v, want %x", e[1], got, err, want)
		}
	}
	want := []string{
		"`" + feed.Prefix + "`", feed.ContentType,
		fmt.Sprintf("at most %d MiB", feed.MaxFrameBytes>>20),
		"At most 131,072 records are in a frame", "at most 1,024\n   places",
		"at most 100, in any order", "any beyond 16 MiB together", "At most 10,000 transactions and 100 MB",
	}
	if feed.MaxFrameRecords != 131_072 || feed.MaxPlaces != 1024 || godwit.MaxBulkGetKeys != 100 ||
		feed.MaxEntriesBytes != 16<<20 || godwit.MaxBulkItems != 10_000 || godwit.MaxBulkBytes != 100_000_000 {
		t.Error("a bound is another one than the page says")
	}
	for r := feed.EndReason(1); !strings.HasPrefix(r.String(), "reason "); r++ {
		want = append(want, fmt.Sprintf("| %d | %s |", uint8(r), r))
	}
	for method, paths := range feed.Paths() {
		for _, path := range paths {
			want = append(want, "`"+method+" "+path)
		}
	}
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("the page does not say %q", w)
		}
	}
}
