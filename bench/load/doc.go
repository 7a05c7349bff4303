// Package load drives a server over raw sockets and measures what it answers:
// how many requests, and how late. One thread turns one epoll loop over all
// connections, each with one request in flight, and allocates nothing while it
// measures, so that the load costs less than what it loads.
//
// It knows the bytes of HTTP/1.1 and of Redis's protocol and nothing about
// godwit: it must not import any of its packages. It runs on Linux alone; the
// histogram and the parsers run anywhere.
package load
