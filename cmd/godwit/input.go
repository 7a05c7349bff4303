package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxLineBytes bounds a line of keys.
const maxLineBytes = 64 << 10

// input opens a file, or standard input for "-".
func (p *program) input(name string) (*os.File, error) {
	if name == "-" {
		return p.stdin, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open input: %w", err)
	}
	return f, nil
}

// eachItem calls fn for each JSON value in r: the elements of an array, or
// values one after another. Errors name the item, from 1.
func eachItem[T any](r io.Reader, fn func(T) error) error {
	b := bufio.NewReader(r)
	first, err := firstByte(b)
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	dec := json.NewDecoder(b)
	more := func() bool { return dec.More() }
	if first == '[' {
		if _, err := dec.Token(); err != nil {
			return fmt.Errorf("read JSON: %w", err)
		}
	}
	n := 1
	for ; more(); n++ {
		var item T
		if err := dec.Decode(&item); err != nil {
			return fmt.Errorf("item %d is not as expected: %w", n, err)
		}
		if err := fn(item); err != nil {
			return fmt.Errorf("item %d: %w", n, err)
		}
	}
	if first != '[' {
		return readEnd(dec, n)
	}
	if _, err := dec.Token(); err != nil {
		return fmt.Errorf("the array has no end after item %d: %w", n-1, err)
	}
	return readEnd(dec, n)
}

// readEnd returns nil if nothing follows.
func readEnd(dec *json.Decoder, n int) error {
	_, err := dec.Token()
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		return fmt.Errorf("read JSON after item %d: %w", n-1, err)
	}
	return fmt.Errorf("something follows item %d", n-1)
}

// firstByte is the first that is no white space. It stays in b.
func firstByte(b *bufio.Reader) (byte, error) {
	for {
		c, err := b.ReadByte()
		if err != nil {
			return 0, err
		}
		switch c {
		case ' ', '\t', '\r', '\n':
			continue
		}
		return c, b.UnreadByte()
	}
}

// keyName is a key in a file: a string, or an object with its name.
type keyName string

// UnmarshalJSON implements [json.Unmarshaler].
func (k *keyName) UnmarshalJSON(text []byte) error {
	if len(text) > 0 && text[0] == '"' {
		return json.Unmarshal(text, (*string)(k))
	}
	var row struct {
		Name string `json:"name"`
		Key  string `json:"key"`
	}
	if err := json.Unmarshal(text, &row); err != nil {
		return err
	}
	if *k = keyName(row.Name); row.Name == "" {
		*k = keyName(row.Key)
	}
	if *k == "" {
		return errors.New("no name")
	}
	return nil
}

// keys reads a file of keys: JSON if it begins like it, else one key a line.
func (p *program) keys(name string) (keys []string, err error) {
	f, err := p.input(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	b := bufio.NewReaderSize(f, maxLineBytes)
	first, err := b.Peek(1)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	switch first[0] {
	case '[', '{', '"':
		err = eachItem(b, func(k keyName) error {
			keys = append(keys, string(k))
			return nil
		})
	default:
		keys, err = lines(b)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}

func lines(r io.Reader) (all []string, err error) {
	s := bufio.NewScanner(r)
	s.Buffer(nil, maxLineBytes)
	for s.Scan() {
		if line := s.Text(); line != "" {
			all = append(all, line)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("read lines: %w", err)
	}
	return all, nil
}
