package crypt_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/godwitkv/godwit/internal/store/crypt"
)

func TestParseKeys(t *testing.T) {
	url := strings.NewReplacer("+", "-", "/", "_").Replace("++++/////CMkJSYnKCkqKywtLi8wMTIzNDU2Nzg5Ojs8PT4/")[:43]
	many := ""
	for i := range 65 {
		many += fmt.Sprintf("%064x\n", 1000+i)
	}
	for name, c := range map[string]struct {
		text string
		keys int
		want string // of the error
	}{
		"hexadecimal":     {line1, 1, ""},
		"capitals":        {strings.ToUpper(line3) + "\n", 1, ""},
		"base64":          {line2, 1, ""},
		"without padding": {strings.TrimRight(line2, "="), 1, ""},
		"of URLs":         {url, 1, ""},
		"several":         {"# newest first\n\n" + line1 + "\r\n" + line2 + "\n" + line3 + "\n", 3, ""},
		"none":            {"# " + line1 + "\n", 0, "there is no key in it"},
		"empty":           {"", 0, "there is no key in it"},
		"short":           {line1 + "\n" + line3[2:], 0, "line 2: a key is 32 random bytes"},
		"long":            {line1 + "00", 0, "line 1: a key is 32 random bytes"},
		"no digits":       {strings.Repeat("!", 64), 0, "line 1: a key is 32 random bytes"},
		"twice":           {line1 + "\n" + strings.ToUpper(line1), 0, "line 2: the key stands there twice"},
		"zeros":           {strings.Repeat("0", 64), 0, "line 1: a key is random"},
		"too many":        {many, 0, "line 65: there are more than 64 keys"},
		"too long":        {strings.Repeat("#\n", 9000), 0, "longer than"},
	} {
		k, err := crypt.ParseKeys([]byte(c.text))
		switch {
		case c.want == "" && (err != nil || len(k.IDs()) != c.keys || k.Active() != k.IDs()[0]):
			t.Errorf("%s: %v, %v", name, k, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		for line := range strings.Lines(c.text) {
			if line = strings.TrimSpace(line); len(line) > 20 && err != nil && strings.Contains(err.Error(), line[:16]) {
				t.Errorf("%s: the error repeats the key: %v", name, err)
			}
		}
	}
}

// TestKeysStaySecret: no way of printing keys shows one, nor does an id.
func TestKeysStaySecret(t *testing.T) {
	k := keys(t, line1, line2)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x", "%q", "%d"} {
		shown := fmt.Sprintf(verb, k)
		if want := "keys " + k.IDs()[0].String() + ", " + k.IDs()[1].String(); shown != want {
			t.Errorf("%s shows %q, want %q", verb, shown, want)
		}
	}
	if id := k.Active().String(); len(id) != 16 || strings.Contains(line1, id) {
		t.Errorf("id %s", id)
	}
}

func TestReadKeys(t *testing.T) {
	name := filepath.Join(t.TempDir(), "keys")
	if _, err := crypt.ReadKeys(name); err == nil || !strings.Contains(err.Error(), name) {
		t.Errorf("no file: %v", err)
	}
	if _, err := crypt.ReadKeys(filepath.Dir(name)); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("a directory: %v", err)
	}
	if err := os.WriteFile(name, []byte(line1+"\nx\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := crypt.ReadKeys(name); err == nil || !strings.Contains(err.Error(), name+": line 2") {
		t.Errorf("a bad line: %v", err)
	}
	if err := os.WriteFile(name, []byte(line1+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o610: false} {
		if err := os.Chmod(name, mode); err != nil {
			t.Fatal(err)
		}
		_, err := crypt.ReadKeys(name)
		if ok != (err == nil) || !ok && (!strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "0600")) {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}
