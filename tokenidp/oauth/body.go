package oauth

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"strings"
	"time"
)

const (
	// maxBody bounds the body of a request: the largest honest one, with a
	// client assertion in it, has a few kilobytes.
	maxBody = 64 << 10
	// readTimeout bounds how long a body may take to arrive.
	readTimeout = 10 * time.Second
)

// FormatOf is the dialect in which a request is answered, even when it is
// refused for its content type.
func FormatOf(r *http.Request) Format {
	mediaType, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && mediaType == "application/json" {
		return JSON
	}
	return Form
}

// negotiate accepts the two media types (RFC 6749 section 4.4.2), not compressed.
// Nothing is guessed from the body. JSON is in UTF-8. The type of a form has no
// parameters, so that those which clients add mean nothing: its body is UTF-8, or is
// refused as malformed.
func negotiate(r *http.Request) (Format, error) {
	for _, encoding := range r.Header.Values("Content-Encoding") {
		if encoding != "" && !strings.EqualFold(encoding, "identity") {
			return Form, refuse(ReasonContentEncoding, nil)
		}
	}
	types := r.Header.Values("Content-Type")
	if len(types) != 1 {
		return Form, refuse(ReasonMediaType, nil)
	}
	mediaType, params, err := mime.ParseMediaType(types[0])
	charset, named := params["charset"]
	switch {
	case mediaType == "application/x-www-form-urlencoded" && (err == nil || errors.Is(err, mime.ErrInvalidMediaParameter)):
		return Form, nil
	case err != nil || mediaType != "application/json":
		return Form, refuse(ReasonMediaType, nil)
	case named && !strings.EqualFold(charset, "utf-8"):
		return Form, refuse(ReasonMediaType, nil).saying("the body must be UTF-8")
	}
	return JSON, nil
}

// readBody reads the whole body, within a limit of size and of time that do not
// depend on how the server is configured. What is beyond the limit is not read.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	// A writer that knows no deadlines (a test's) has no slow client either.
	_ = control.SetReadDeadline(time.Now().Add(readTimeout))
	if r.ContentLength > maxBody {
		closeAfter(w, r)
		return nil, refuse(ReasonTooLarge, nil)
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		_ = control.SetReadDeadline(time.Time{})
		return body, nil
	}
	// The deadline stays: after the answer the server waits for the rest of the
	// body, and without one it would wait for ever.
	closeAfter(w, r)
	var limit *http.MaxBytesError
	if errors.As(err, &limit) {
		return nil, refuse(ReasonTooLarge, nil)
	}
	return nil, refuse(ReasonUnreadableBody, err)
}

// closeAfter ends an HTTP/1 connection on which part of a body is still to come.
func closeAfter(w http.ResponseWriter, r *http.Request) {
	if r.ProtoMajor == 1 {
		w.Header().Set("Connection", "close")
	}
}
