package adminapi

import "regexp"

var pasted = regexp.MustCompile(`(?is)^\s*["']?(?:authorization:)?\s*(?:(?:bearer|dpop)(?:\s+|["']?$))?(.*?)["']?\s*$`)

// TokenIn returns the token in what an operator pasted, which may have quotes around it,
// and the scheme or the whole header before it. It is "" if there is none.
func TokenIn(text string) string { return pasted.FindStringSubmatch(text)[1] }
