//go:build !linux

package node

import "net"

// listenTCP leaves it to the system when a connection ends of which nobody hears.
func listenTCP(network, address string) (net.Listener, error) {
	return net.Listen(network, address)
}
