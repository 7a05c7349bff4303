package godwit

import (
	"bytes"
	"encoding/json"
)

// Scan is what a [ListQuery] may ask for beyond what Workers KV's list gives:
// a part of the keys, in either order, filtered, with the size of each value
// and the value itself.
//
// A page of a scan looks at no more than [MaxScannedKeys] keys and holds no more
// than [MaxScanBytes] of names, metadata and values, or else one entry. So it may
// have fewer entries than were asked for, even none, and yet be followed by more.
type Scan struct {
	Start   string          // the first key that may be listed; "": no bound
	End     string          // the first key behind those that may be listed; "": no bound
	Reverse bool            // in descending order; the cursor goes on downwards
	Values  bool            // with values of up to MaxScanValueBytes, where they are at hand
	Count   bool            // only Page.Keys and Page.Bytes are filled in; Limit says nothing
	Where   *MetadataFilter // only entries that it matches; nil: all
}

// Validate returns nil if s may be carried out. Errors: [CodeKeyTooLong],
// [CodeInvalidRequest].
func (s *Scan) Validate() error {
	if err := ValidatePrefix(s.Start); err != nil {
		return err
	}
	if err := ValidatePrefix(s.End); err != nil {
		return err
	}
	if s.Where != nil {
		return s.Where.validate()
	}
	return nil
}

// MetadataFilter matches entries whose metadata is a JSON object that has Field
// with a value that is equal to Equals: a string by its text, a number, true,
// false or null by what stands in the metadata, letter by letter. Objects and
// arrays are equal to nothing.
type MetadataFilter struct {
	Field  string
	Equals string
}

func (f *MetadataFilter) validate() error {
	if f.Field == "" || len(f.Field) > MaxMetadataBytes || len(f.Equals) > MaxMetadataBytes {
		return Errorf(CodeInvalidRequest, "A metadata filter takes a field and a value of at most %d bytes.", MaxMetadataBytes)
	}
	return nil
}

// Matches tells whether metadata, JSON or nil, is what f asks for.
func (f *MetadataFilter) Matches(metadata []byte) bool {
	if text := bytes.TrimLeft(metadata, " \t\r\n"); len(text) == 0 || text[0] != '{' || !f.mayMatch(text) {
		return false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(metadata, &fields) != nil {
		return false
	}
	raw, ok := fields[f.Field]
	if !ok {
		return false
	}
	switch raw[0] {
	case '{', '[':
		return false
	case '"':
		var text string
		return json.Unmarshal(raw, &text) == nil && text == f.Equals
	}
	return string(raw) == f.Equals
}

// mayMatch spares most metadata the parser: without escapes, what is asked for must
// stand in it as it is.
func (f *MetadataFilter) mayMatch(metadata []byte) bool {
	return bytes.IndexByte(metadata, '\\') >= 0 ||
		bytes.Contains(metadata, []byte(f.Field)) && bytes.Contains(metadata, []byte(f.Equals))
}

// sizeOnly is the id of a blob that there is not.
var sizeOnly = BlobID{0: 0xff}

// SizeOnly stands for a value of n bytes that is not at hand. It cannot be opened.
func SizeOnly(n int64) Value { return Value{Blob: Blob{ID: sizeOnly, Size: n}} }
