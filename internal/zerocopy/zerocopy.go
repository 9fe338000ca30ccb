// Package zerocopy takes text for bytes and bytes for text, where every request would
// pay for a copy. No other package that serves requests uses package unsafe.
package zerocopy

import "unsafe"

// Bytes are those of the text itself: nobody may write to them.
func Bytes(text string) []byte {
	return unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // within its length
}

// String is the text of these very bytes, which nobody may write to from then on.
func String(data []byte) string {
	return unsafe.String(unsafe.SliceData(data), len(data)) //nolint:gosec // within their length
}
