// Package worker runs a Worker project on workerd with its KV bindings connected to a
// godwit node.
//
// It reads the project's configuration, bundles its sources, finds or makes its
// namespaces, gives each Worker a token that reaches these alone, and starts workerd.
// A proxy holds the address that clients know, so that a change of the sources is taken
// up without a request being dropped, and a workerd that dies is replaced.
//
// It owns the life of the processes, and nothing of a node: it knows one by the public
// client. Packages wrangler (configuration), bundle (modules), workerd (the program)
// and cache (the Cache API) under it are each for themselves. It sends a Worker no
// request of its own.
package worker
