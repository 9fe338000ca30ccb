// Package zerocopy takes text for bytes and bytes for text, where every request would
// pay for a copy. No other package that serves requests uses package unsafe.
package zerocopy

import "unsafe"

// Bytes returns the bytes of the text without a copy. They must never be changed.
func Bytes(text string) []byte {
	return unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // within its length
}

// String returns the bytes as text without a copy. They must not change as long as the text
// is used.
func String(data []byte) string {
	return unsafe.String(unsafe.SliceData(data), len(data)) //nolint:gosec // within their length
}
