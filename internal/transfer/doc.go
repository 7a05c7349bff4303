// Package transfer moves the content of namespaces in and out of godwit: between
// servers, files and other stores.
//
// A [Source] gives items in batches, a [Target] takes them, and [Run] is between the
// two: it writes several batches at once, keeps the writes of one key in order, and
// knows at each moment up to where everything is written. There is one file for each
// source and each format.
//
// It owns the line format of export and import. It knows servers by the public client
// alone and must not import anything else of the module.
package transfer
