package godwit

import "context"

type destinationKey struct{}

// WithDestination returns a context that says of which namespace a value is that is
// uploaded with it: a node must not keep on its disk what it may not carry.
func WithDestination(ctx context.Context, ns NamespaceID) context.Context {
	return context.WithValue(ctx, destinationKey{}, ns)
}

// DestinationOf returns what WithDestination put in, and false if there is none.
func DestinationOf(ctx context.Context) (NamespaceID, bool) {
	ns, ok := ctx.Value(destinationKey{}).(NamespaceID)
	return ns, ok
}
