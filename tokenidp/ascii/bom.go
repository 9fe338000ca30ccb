package ascii

import "bytes"

// WithoutBOM returns a text without the byte order mark that editors on Windows put
// before UTF-8. With it, no PEM begins where it should, and no secret matches.
func WithoutBOM(text []byte) []byte { return bytes.TrimPrefix(text, []byte("\xEF\xBB\xBF")) }
