package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/godwitkv/godwit"
)

// maxBodyBytes bounds a request's body: a token for a thousand namespaces, each
// by a long title, fits.
const maxBodyBytes = 1 << 20

// decode reads the request's body, one JSON object without unknown fields, into
// v, a pointer to a struct. Errors: CodeInvalidRequest, CodeBodyTooLarge.
func decode(r *http.Request, v any) error {
	raw, err := readBody(r, maxBodyBytes)
	if err != nil {
		return err
	}
	return decodeBytes(raw, v)
}

// readBody reads a body of at most limit bytes.
func readBody(r *http.Request, limit int64) ([]byte, error) {
	raw, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, limit))
	if err != nil {
		return nil, bodyError(err)
	}
	return raw, nil
}

// decodeBytes reads raw, one JSON object without unknown fields, into v, a pointer to a
// struct.
func decodeBytes(raw []byte, v any) error {
	if trimmed := bytes.TrimSpace(raw); len(trimmed) > 0 && trimmed[0] != '{' {
		return godwit.Errorf(godwit.CodeInvalidRequest, "The body is not a JSON object.")
	}
	if !utf8.Valid(raw) { // else what is named would be taken for something else
		return godwit.Errorf(godwit.CodeInvalidRequest, "The body is not UTF-8.")
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		return bodyError(err)
	}
	if err := decodeEnd(dec); err != nil {
		return err
	}
	return checkNames(raw, v)
}

// checkNames holds that each field of raw, which was decoded into v, is spelt as v has it
// and is there once. Package json takes any case, and the last of two that are the same:
// who looked at a body before may have judged another one than was carried out. What is in
// a field is not looked at: none is an object.
func checkNames(raw []byte, v any) error {
	names := fieldNames(v)
	seen := make(map[string]bool)
	dec := json.NewDecoder(bytes.NewReader(raw))
	_, err := dec.Token() // the brace
	for err == nil && dec.More() {
		var token json.Token
		if token, err = dec.Token(); err != nil {
			break
		}
		name, _ := token.(string)
		switch {
		case !slices.Contains(names, name):
			return invalid("Unknown field %q.", clip(name))
		case seen[name]:
			return invalid("%s is given twice.", clip(name))
		}
		seen[name] = true
		var value json.RawMessage
		err = dec.Decode(&value)
	}
	if err != nil {
		return bodyError(err)
	}
	return nil
}

// fieldNames are the names in JSON of the fields of a struct, to which v points.
func fieldNames(v any) (names []string) {
	t := reflect.TypeOf(v).Elem()
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// decodeEnd checks that nothing stands behind the object.
func decodeEnd(dec *json.Decoder) error {
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return godwit.Errorf(godwit.CodeInvalidRequest, "The body holds more than one JSON object.")
	}
	return nil
}

// bodyError says in a client's words what is wrong with a body.
func bodyError(err error) error {
	var tooLarge *http.MaxBytesError
	var wrongType *json.UnmarshalTypeError
	var told *godwit.Error
	switch {
	case errors.As(err, &told):
		return err
	case errors.As(err, &tooLarge):
		return godwit.Errorf(godwit.CodeBodyTooLarge, "The body is over the limit of %d bytes.", tooLarge.Limit)
	case errors.Is(err, io.EOF):
		return godwit.Errorf(godwit.CodeInvalidRequest, "The body is empty: send a JSON object.")
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return godwit.Errorf(godwit.CodeInvalidRequest, "%s must not be a JSON %s.", wrongType.Field, wrongType.Value)
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		field := strings.TrimPrefix(err.Error(), "json: unknown field ")
		return godwit.Errorf(godwit.CodeInvalidRequest, "Unknown field %s.", clip(field))
	}
	e := godwit.Errorf(godwit.CodeInvalidRequest, "The body is not a JSON object as expected.")
	e.Err = err
	return e
}

// clip bounds what an error repeats of its input, and keeps it ASCII.
func clip(s string) string {
	const most = 80
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c > '~' {
			b[i] = '?'
		}
	}
	return string(b[:min(len(b), most)])
}
