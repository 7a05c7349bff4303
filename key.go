package godwit

import "unicode/utf8"

// ValidateKey returns nil if key may name an entry: 1 to [MaxKeyBytes] bytes of
// UTF-8, neither "." nor "..". Everything else is legal. It allocates only on
// error. Errors: [CodeInvalidKey], [CodeKeyTooLong].
func ValidateKey[T string | []byte](key T) error {
	switch {
	case len(key) == 0:
		return Errorf(CodeInvalidKey, "Key names must not be empty")
	case len(key) == 1 && key[0] == '.', len(key) == 2 && key[0] == '.' && key[1] == '.':
		return Errorf(CodeInvalidKey, "Illegal key name %q. Please use a different name.", string(key))
	case len(key) > MaxKeyBytes:
		return keyTooLong(len(key))
	case !validUTF8(key):
		return Errorf(CodeInvalidKey, "Could not URL-decode key name")
	}
	return nil
}

// ValidatePrefix returns nil if prefix may filter a list: at most [MaxKeyBytes]
// bytes. Error: [CodeKeyTooLong].
func ValidatePrefix[T string | []byte](prefix T) error {
	if len(prefix) > MaxKeyBytes {
		return keyTooLong(len(prefix))
	}
	return nil
}

func keyTooLong(n int) error {
	return Errorf(CodeKeyTooLong, "UTF-8 encoded length of %d exceeds key length limit of %d.", n, MaxKeyBytes)
}

// validUTF8 has a loop of its own for ASCII, which nearly every key is.
func validUTF8[T string | []byte](s T) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return utf8.ValidString(string(s))
		}
	}
	return true
}
