// Package place owns where the objects of backups lie: names with bytes, in a
// directory or at an S3-compatible address.
//
// It knows nothing of what is in them, and imports internal/pause alone of the module.
package place

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// Place holds objects. A name is parts separated by slashes, of letters, digits and
// "-._"; no part begins with a dot. Its methods may be called from many goroutines.
type Place interface {
	// Put keeps b under a name, in place of what is there. Once it returns nil that
	// is durable; a Put that fails, or is cut off, leaves the whole of b, or what was
	// there, or nothing. b is not kept.
	Put(ctx context.Context, name string, b []byte) error
	// Get returns an object of at most so many bytes. Errors: ErrNotFound,
	// ErrTooLarge.
	Get(ctx context.Context, name string, most int64) ([]byte, error)
	// List calls fn for each object whose name begins with a prefix, which ends with a
	// slash, in no order. What a Put that was cut off has left may be among them, under
	// a name that ends in Partial. No such place has no objects.
	List(ctx context.Context, prefix string, fn func(Object) error) error
	// Delete removes an object. That there is none is no error.
	Delete(ctx context.Context, name string) error
	// String is the address as people write it, without secrets.
	String() string
}

// Object is what List tells of one.
type Object struct {
	Name     string
	Size     int64
	Modified time.Time // by the clock of the place
}

// Partial is how names end of what is no object yet, and may be removed.
const Partial = ".partial"

// ErrNotFound tells that there is no object of a name.
var ErrNotFound = errors.New("no such object")

// ErrTooLarge tells that an object is longer than the caller takes.
var ErrTooLarge = errors.New("the object is too large")

// Config is what an address alone does not say.
type Config struct {
	S3Endpoint string // URL of the S3 service; default: Amazon's
	S3Region   string // default: that of the bucket

	// Who asks, where AWS's variables, files and roles do not say it.
	S3AccessKey, S3SecretKey string
}

// IsURL tells whether an address is one of Open's, and not the path of a directory.
func IsURL(address string) bool {
	return strings.HasPrefix(address, "s3://") || strings.HasPrefix(address, "file:")
}

// Open returns the place at an address: s3://BUCKET/PREFIX, file:///PATH, or the path
// of a directory. Nothing is asked or made yet.
func Open(address string, cfg Config) (Place, error) {
	switch {
	case strings.HasPrefix(address, "s3://"):
		return openS3(address, cfg)
	case strings.HasPrefix(address, "file:"):
		path, err := filePath(address)
		if err != nil {
			return nil, err
		}
		return NewDirectory(path), nil
	}
	return NewDirectory(address), nil
}

// filePath is the path in a file: URL.
func filePath(address string) (string, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host != "" && u.Host != "localhost" || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q is no file:///PATH", address)
	}
	path := u.Path
	if path == "" {
		path = u.Opaque
	}
	if path == "" || strings.ContainsRune(path, 0) {
		return "", fmt.Errorf("%q names no directory", address)
	}
	return filepath.FromSlash(path), nil
}

// valid tells whether a name is one.
func valid(name string) bool {
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' || strings.Trim(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._") != "" {
			return false
		}
	}
	return true
}

func checkName(name string) error {
	if !valid(name) {
		return fmt.Errorf("%q is no name of an object", name)
	}
	return nil
}
