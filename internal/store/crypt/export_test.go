package crypt

// HeaderSize is how much longer a file is than what is in it.
const HeaderSize = headerSize
