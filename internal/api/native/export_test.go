package native

import (
	"github.com/godwitkv/godwit"
	"github.com/godwitkv/godwit/internal/api"
)

// Reply is how a code is answered.
func Reply(code godwit.Code) (status int, name string, ok bool) {
	r, ok := table(code)
	return r.status, r.code, ok
}

// Patch changes settings as a PATCH does.
func Patch(s godwit.Settings, raw []byte) (godwit.Settings, error) { return patch(s, raw) }

// Match finds the route of a path.
func Match(path string) (pattern, arg string, ok bool) {
	rt, arg, ok := match(path)
	return rt.path, arg, ok
}

// DecodeTransaction reads a body.
func DecodeTransaction(raw []byte) (api.Transact, error) { return decodeTransaction(raw) }
