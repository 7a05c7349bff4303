package godwit

import "context"

type credentialKey struct{}

// WithCredential returns a context that carries the credential of who asks, for
// a log that must pass it on.
func WithCredential(ctx context.Context, secret string) context.Context {
	return context.WithValue(ctx, credentialKey{}, secret)
}

// CredentialOf returns what WithCredential put in, or "".
func CredentialOf(ctx context.Context) string {
	secret, _ := ctx.Value(credentialKey{}).(string)
	return secret
}
