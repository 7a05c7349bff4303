package wrangler

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// loadSecrets adds what .dev.vars holds or, where there is none, the .env files. They
// win over variables of the configuration.
func (w *Worker) loadSecrets(o Options, dotenv envFile) error {
	secrets, err := w.readSecrets(o, dotenv)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(secrets)) {
		if w.required != nil && !slices.Contains(w.required, name) && !w.hasVar(name) {
			continue // only what the configuration names
		}
		if err := w.setSecret(name, secrets[name]); err != nil {
			return err
		}
	}
	var missing []string
	for _, name := range w.required {
		if _, ok := secrets[name]; !ok {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		w.Notes = append(w.Notes, w.secretsPlace.Problem("no value for the secrets "+strings.Join(missing, ", ")+": put them into .dev.vars"))
	}
	return nil
}

func (w *Worker) hasVar(name string) bool {
	return slices.ContainsFunc(w.Vars, func(v Var) bool { return v.Name == name })
}

// setSecret puts a secret in the place of a variable, or beside them.
func (w *Worker) setSecret(name, value string) error {
	for i, v := range w.Vars {
		if v.Name == name {
			w.Vars[i] = Var{Name: name, Text: value, Secret: true}
			return nil
		}
	}
	if other := w.boundTo(name); other != "" {
		return fmt.Errorf("%s: the secret %s has the name of %s", w.File, name, other)
	}
	w.Vars = append(w.Vars, Var{Name: name, Text: value, Secret: true})
	return nil
}

// boundTo tells what else is bound to a name.
func (w *Worker) boundTo(name string) string {
	for _, b := range w.KV {
		if b.Binding == name {
			return "a KV namespace"
		}
	}
	for _, b := range w.Services {
		if b.Binding == name {
			return "a service"
		}
	}
	for _, b := range w.Objects {
		if b.Binding == name {
			return "a Durable Object namespace"
		}
	}
	for _, b := range w.Blobs {
		if b.Binding == name {
			return "a blob"
		}
	}
	if w.Assets != nil && w.Assets.Binding == name {
		return "the assets"
	}
	if w.Version == name {
		return "the version's metadata"
	}
	return ""
}

func (w *Worker) readSecrets(o Options, dotenv envFile) (map[string]string, error) {
	files := []string{".dev.vars"}
	if w.Env != "" {
		files = []string{".dev.vars." + w.Env, ".dev.vars"}
	}
	for _, name := range files {
		found, err := w.readEnvFile(name)
		if err != nil || found.values != nil {
			w.Notes = append(w.Notes, found.passed...)
			return found.values, err
		}
	}
	if o.Getenv("CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV") == "false" {
		return nil, nil
	}
	if dotenv.wrong != nil {
		return nil, dotenv.wrong
	}
	w.Notes = append(w.Notes, dotenv.passed...)
	all := dotenv.values
	outside := map[string]string{}
	if w.required != nil || o.Getenv("CLOUDFLARE_INCLUDE_PROCESS_ENV") == "true" {
		for _, pair := range o.Environ() {
			name, value, _ := strings.Cut(pair, "=")
			outside[name] = value
		}
	}
	expand(all, outside)
	maps.Copy(all, outside) // as wrangler has it: what the process was given wins
	return all, nil
}

// readDotenv reads the .env files, of which the last wins.
func (w *Worker) readDotenv() (all envFile) {
	files := []string{".env", ".env.local"}
	if w.Env != "" {
		files = []string{".env", ".env." + w.Env, ".env.local", ".env." + w.Env + ".local"}
	}
	all.values = map[string]string{}
	for _, name := range files {
		found, err := w.readEnvFile(name)
		if err != nil && all.wrong == nil {
			all.wrong = err
		}
		maps.Copy(all.values, found.values)
		all.passed = append(all.passed, found.passed...)
	}
	return all
}

// envFile is what such a file holds.
type envFile struct {
	values map[string]string // nil: it is not there
	passed []Problem         // lines that say nothing
	wrong  error             // with the .env files, which need not be read
}

// readEnvFile reads one file.
func (w *Worker) readEnvFile(name string) (envFile, error) {
	file := filepath.Join(w.beside, name)
	path, err := filepath.Abs(file)
	if err != nil {
		return envFile{}, fmt.Errorf("find %s: %w", file, err)
	}
	w.Files = append(w.Files, path)
	text, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return envFile{}, nil
	}
	if err != nil {
		return envFile{}, fmt.Errorf("read secrets: %w", err)
	}
	p, passed := &problems{file: file}, &problems{file: file}
	found := parseEnv(p, passed, string(text))
	return envFile{values: found, passed: passed.few()}, p.err()
}

// assignment is a line of such a file, as npm's dotenv reads it.
var assignment = regexp.MustCompile("(?m)^[ \t]*(?:export[ \t]+)?([\\w.-]+)(?:[ \t]*=[ \t]*|:[ \t]+)('(?:\\\\'|[^'])*'|\"(?:\\\\\"|[^\"])*\"|`(?:\\\\`|[^`])*`|[^#\r\n]*)?[ \t]*(?:#.*)?\r?$")

// parseEnv reads NAME=value lines. Others are passed over, as dotenv does. What it complains
// of is never shown: it may be a secret.
func parseEnv(p, passed *problems, text string) map[string]string {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(strings.TrimPrefix(text, "\ufeff"))
	all := map[string]string{}
	index, end := newLines([]byte(text)), 0
	for _, m := range assignment.FindAllStringSubmatchIndex(text, -1) {
		noteSkipped(passed, index, text, end, m[0])
		end = m[1]
		value := ""
		if m[4] >= 0 {
			value = unquote(strings.TrimSpace(text[m[4]:m[5]]))
		}
		if strings.ContainsRune(value, 0) {
			p.add(index.at(m[0]), "the value holds a NUL")
			continue
		}
		all[text[m[2]:m[3]]] = value
	}
	noteSkipped(passed, index, text, end, len(text))
	return all
}

// noteSkipped notes lines that are neither an assignment nor a comment.
func noteSkipped(passed *problems, index lines, text string, from, to int) {
	for at := from; at < to; {
		line, _, _ := strings.Cut(text[at:to], "\n")
		if s := strings.TrimSpace(line); s != "" && s[0] != '#' {
			passed.add(index.at(at), "the line is not of the form NAME=value, and is passed over")
		}
		at += len(line) + 1
	}
}

func unquote(s string) string {
	inner := s
	if len(s) >= 2 && s[0] == s[len(s)-1] && strings.ContainsRune("'\"`", rune(s[0])) {
		inner = s[1 : len(s)-1]
	}
	if strings.HasPrefix(s, `"`) { // also where the quote does not end, as dotenv has it
		inner = strings.NewReplacer(`\n`, "\n", `\r`, "\r").Replace(inner)
	}
	return inner
}

var reference = regexp.MustCompile(`\\?\$(?:\{([A-Za-z_]\w*)(?::?-([^}]*))?\}|([A-Za-z_]\w*))`)

// expand replaces $NAME and ${NAME} once: what was put in is not looked at again.
func expand(all, outside map[string]string) {
	before := maps.Clone(all)
	for name, value := range before {
		all[name] = reference.ReplaceAllStringFunc(value, func(ref string) string {
			if ref[0] == '\\' {
				return ref[1:]
			}
			m := reference.FindStringSubmatch(ref)
			other := m[1] + m[3]
			for _, from := range []map[string]string{outside, before} {
				if v := from[other]; v != "" {
					return v
				}
			}
			return m[2]
		})
	}
}
