package workerd

// TextLiteral is a string as a configuration has it.
func TextLiteral(s string) string { return string(encode(record{{"x", s}})[len(schema):]) }

// ParseLine reads a line of workerd's log.
func ParseLine(text, stream string) (Line, bool) { return parseLine(text, stream) }

// Platform is how npm calls this machine.
func Platform() string { return platform() }
