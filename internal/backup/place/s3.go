package place

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// s3 is a place in a bucket, under a prefix of names.
type s3 struct {
	client *minio.Client
	net    *network
	bucket string
	prefix string // empty, or ends with a slash
}

// defaultEndpoint is Amazon's, which finds the bucket's region.
const defaultEndpoint = "https://s3.amazonaws.com"

// openS3 returns the place at s3://BUCKET/PREFIX. Who asks is known by the usual
// variables of the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
// AWS_SESSION_TOKEN), by AWS's file of credentials, or by the machine's role.
func openS3(address string, cfg Config) (Place, error) {
	bucket, prefix, _ := strings.Cut(strings.TrimPrefix(address, "s3://"), "/")
	prefix = strings.Trim(prefix, "/")
	if bucket == "" || strings.Contains(bucket, "@") {
		return nil, errors.New("an S3 address is s3://BUCKET/PREFIX, and the server stands in --s3-endpoint")
	}
	if prefix != "" && !valid(prefix) {
		return nil, fmt.Errorf("%q is no prefix: letters, digits and -._ in parts between slashes", prefix)
	}
	endpoint, secure, err := parseEndpoint(cmp.Or(cfg.S3Endpoint, defaultEndpoint))
	if err != nil {
		return nil, err
	}
	lookup := minio.BucketLookupAuto
	if cfg.S3Endpoint != "" {
		lookup = minio.BucketLookupPath
	}
	n, err := newNetwork(secure)
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", address, err)
	}
	c, err := minio.New(endpoint, &minio.Options{
		Creds: credentialsOf(cfg), Secure: secure, Region: cfg.S3Region, BucketLookup: lookup, Transport: n,
	})
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", address, err)
	}
	if prefix != "" {
		prefix += "/"
	}
	return &s3{client: c, net: n, bucket: bucket, prefix: prefix}, nil
}

// parseEndpoint takes a URL apart into what the library wants.
func parseEndpoint(endpoint string) (host string, secure bool, err error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || strings.Trim(u.Path, "/") != "" || u.User != nil || u.RawQuery != "" {
		return "", false, errors.New("an S3 endpoint is http://HOST:PORT or https://HOST")
	}
	return u.Host, u.Scheme == "https", nil
}

// credentialsOf asks the machine for its role only where nothing else says who asks.
func credentialsOf(cfg Config) *credentials.Credentials {
	if cfg.S3AccessKey != "" {
		return credentials.NewStaticV4(cfg.S3AccessKey, cfg.S3SecretKey, "")
	}
	if os.Getenv("AWS_ACCESS_KEY_ID") != "" {
		return credentials.NewEnvAWS()
	}
	return credentials.NewChainCredentials([]credentials.Provider{&credentials.FileAWSCredentials{}, &credentials.IAM{}})
}

func (s *s3) String() string { return "s3://" + s.bucket + "/" + strings.TrimSuffix(s.prefix, "/") }

// Put implements Place. The sum that goes along has the service refuse what was changed on
// its way: any service knows that one.
func (s *s3) Put(ctx context.Context, name string, b []byte) error {
	if err := checkName(name); err != nil {
		return err
	}
	return s.failed("put", name, s.net.again(ctx, func() error {
		_, err := s.client.PutObject(ctx, s.bucket, s.prefix+name, bytes.NewReader(b), int64(len(b)),
			minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true, SendContentMd5: true})
		return err
	}))
}

// Get implements Place.
func (s *s3) Get(ctx context.Context, name string, most int64) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	var b []byte
	err := s.net.again(ctx, func() error {
		o, err := s.client.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
		if err != nil {
			return err
		}
		defer func() { _ = o.Close() }()
		b, err = readUpTo(o, name, 0, most) // to ask for its size would be a request
		return err
	})
	if errors.Is(err, ErrTooLarge) {
		return nil, err
	}
	return b, s.failed("get", name, err)
}

// List implements Place.
func (s *s3) List(ctx context.Context, prefix string, fn func(Object) error) error {
	l := &list{s3: s, prefix: prefix, fn: fn, inOrder: true}
	err := s.net.again(ctx, func() error { return l.goOn(ctx) })
	if l.ended != nil {
		return l.ended
	}
	return s.failed("list", prefix, err)
}

// list is a list that is told, and goes on where it was cut off.
type list struct {
	*s3
	prefix  string
	fn      func(Object) error
	last    string // the key that was told last
	inOrder bool   // each key was behind the one before, as S3 says, so what is left is known
	ended   error  // fn's, or one that is for good
}

// goOn tells what is behind the last key.
func (l *list) goOn(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx) // ends the library's goroutine
	defer cancel()
	for o := range l.client.ListObjects(ctx, l.bucket, minio.ListObjectsOptions{Prefix: l.s3.prefix + l.prefix, Recursive: true, StartAfter: l.last}) {
		if o.Err != nil {
			if !l.inOrder {
				l.ended = l.failed("list", l.prefix, o.Err)
				return nil
			}
			return o.Err
		}
		l.inOrder, l.last = l.inOrder && o.Key > l.last, o.Key
		name, ok := strings.CutPrefix(o.Key, l.s3.prefix)
		if !ok || !valid(name) {
			continue
		}
		if l.ended = l.fn(Object{name, o.Size, o.LastModified}); l.ended != nil {
			return nil
		}
	}
	return ctx.Err()
}

// Delete implements Place.
func (s *s3) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return s.failed("remove", name, s.net.again(ctx, func() error {
		return s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{})
	}))
}

// failed is the error of an operation, in words for who gave the address.
func (s *s3) failed(what, name string, err error) error {
	if err == nil {
		return nil
	}
	var told minio.ErrorResponse
	_ = errors.As(err, &told)
	switch told.Code {
	case minio.NoSuchKey:
		return fmt.Errorf("%s: %w", name, ErrNotFound)
	case minio.NoSuchBucket:
		return fmt.Errorf("there is no bucket %q at %s: make it first", s.bucket, s.client.EndpointURL().Host)
	}
	return fmt.Errorf("%s %s at %s: %w", what, name, s, err)
}
