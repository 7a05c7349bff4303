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
	c, err := minio.New(endpoint, &minio.Options{
		Creds: credentialsOf(cfg), Secure: secure, Region: cfg.S3Region, BucketLookup: lookup,
	})
	if err != nil {
		return nil, fmt.Errorf("use %s: %w", address, err)
	}
	if prefix != "" {
		prefix += "/"
	}
	return &s3{client: c, bucket: bucket, prefix: prefix}, nil
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

// Put implements Place. The library tries again what may succeed then. The sum that goes
// along has the service refuse what was changed on its way: any service knows that one.
func (s *s3) Put(ctx context.Context, name string, b []byte) error {
	if err := checkName(name); err != nil {
		return err
	}
	_, err := s.client.PutObject(ctx, s.bucket, s.prefix+name, bytes.NewReader(b), int64(len(b)),
		minio.PutObjectOptions{ContentType: "application/octet-stream", DisableMultipart: true, SendContentMd5: true})
	return s.failed("put", name, err)
}

// Get implements Place.
func (s *s3) Get(ctx context.Context, name string, most int64) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	o, err := s.client.GetObject(ctx, s.bucket, s.prefix+name, minio.GetObjectOptions{})
	if err != nil {
		return nil, s.failed("get", name, err)
	}
	defer func() { _ = o.Close() }()
	b, err := readUpTo(o, name, 0, most) // to ask for its size would be a request
	if errors.Is(err, ErrTooLarge) {
		return nil, err
	}
	return b, s.failed("get", name, err)
}

// List implements Place.
func (s *s3) List(ctx context.Context, prefix string, fn func(Object) error) error {
	ctx, cancel := context.WithCancel(ctx) // ends the library's goroutine
	defer cancel()
	for o := range s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: s.prefix + prefix, Recursive: true}) {
		if o.Err != nil {
			return s.failed("list", prefix, o.Err)
		}
		name, ok := strings.CutPrefix(o.Key, s.prefix)
		if !ok || !valid(name) {
			continue
		}
		if err := fn(Object{name, o.Size, o.LastModified}); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// Delete implements Place.
func (s *s3) Delete(ctx context.Context, name string) error {
	if err := checkName(name); err != nil {
		return err
	}
	return s.failed("remove", name, s.client.RemoveObject(ctx, s.bucket, s.prefix+name, minio.RemoveObjectOptions{}))
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
