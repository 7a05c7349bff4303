package transfer

// DecodeLine is lineDecoder.decode.
func DecodeLine(line []byte) (Item, error) { return new(lineDecoder).decode(line) }

// AppendLine is appendLine.
func AppendLine(dst []byte, it *Item) []byte { return appendLine(dst, it) }

// PathOf is pathOf.
func PathOf(key string) string { return pathOf(key) }

// KeyOf is keyOf.
func KeyOf(path string) (string, error) { return keyOf(path) }

// SeedsOf is seedsOf.
func SeedsOf(name string, text []byte) ([]Seed, error) { return seedsOf(name, text) }
