// Package workerd runs workerd: it finds the program, writes its configuration, starts
// it, reads its log and stops it.
//
// It owns workerd's language and nothing of what a Worker is for. It may import
// packages wrangler and bundle of the module.
package workerd
